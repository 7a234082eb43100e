// Sends updates as Avro, and prints those of its own that were rejected:
//
//	go run ./producer send BROKERS TOPIC CART SessionUpdate.avsc schemas.json
//	go run ./producer letters BROKERS DEAD_LETTERS_TOPIC
//
// The files are schemas/SessionUpdate.avsc and contract/schemas.json.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const name = "checkout-go" // in a header of each update, which its dead letter keeps

func main() {
	if os.Args[1] == "send" {
		send(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	} else {
		letters(os.Args[2], os.Args[3])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func random(size int) []byte {
	bytes := make([]byte, size)
	rand.Read(bytes)
	return bytes
}

type item struct {
	Name       string             `avro:"name"`
	SKU        string             `avro:"sku"`
	Quantity   int                `avro:"quantity"`
	Price      float64            `avro:"price"`
	Category   *string            `avro:"category"`
	Weight     *float64           `avro:"weight"`
	Height     *float64           `avro:"height"`
	Width      *float64           `avro:"width"`
	Length     *float64           `avro:"length"`
	Position   *float64           `avro:"position"`
	Attributes *map[string]string `avro:"attributes"`
}

type update struct { // nil leaves a field as it is
	EventID       string               `avro:"eventId"`
	EventTime     int64                `avro:"eventTime"`
	ApplicationID int                  `avro:"applicationId"`
	IntegrationID string               `avro:"integrationId"`
	ProfileID     *string              `avro:"profileId"`
	Coupon        *string              `avro:"coupon"`
	Referral      *string              `avro:"referral"`
	State         *string              `avro:"state"`
	CartItems     *[]item              `avro:"cartItems"`
	Identifiers   *[]string            `avro:"identifiers"`
	Total         *float64             `avro:"total"`
	Attributes    *map[string]*string  `avro:"attributes"`
	Discounts     *map[string]*float64 `avro:"discounts"`
}

func send(brokers, topic, cart, schemaFile, prefixesFile string) {
	schema := must(avro.Parse(string(must(os.ReadFile(schemaFile)))))
	// The ten bytes before a datum: hamba/avro computes others, since its canonical form keeps more.
	var known map[string]struct{ Prefix string }
	if err := json.Unmarshal(must(os.ReadFile(prefixesFile)), &known); err != nil {
		log.Fatal(err)
	}
	prefix := must(hex.DecodeString(known["schemas/SessionUpdate.avsc"].Prefix))
	// franz-go partitions as Java's clients do, as all producers of a topic must.
	client := must(kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(topic)))
	defer client.Close()
	web, visits, closed, late := `"web"`, "[1, 2]", "closed", "LATE"
	for _, change := range []update{
		{
			CartItems:  &[]item{{Name: "Mug", SKU: "MUG", Quantity: 2, Price: 9.5}},
			Attributes: &map[string]*string{"channel": &web, "visits": &visits},
		},
		{State: &closed},
		{Coupon: &late}, // a closed session takes none: this one becomes a dead letter
	} {
		change.EventID = hex.EncodeToString(random(16)) // the same one when it is sent again
		change.EventTime = time.Now().UnixMilli()
		change.ApplicationID, change.IntegrationID = 1, cart
		record := &kgo.Record{
			Key:     []byte("1:" + cart),
			Value:   append(prefix[:10:10], must(avro.Marshal(schema, change))...),
			Headers: []kgo.RecordHeader{{Key: "producer", Value: []byte(name)}},
		}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
}

func letters(brokers, topic string) {
	client := must(kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // what a partition ends with
	))
	defer client.Close()
	admin, ctx := kadm.NewClient(client), context.Background()
	starts, ends := must(admin.ListStartOffsets(ctx, topic)), must(admin.ListCommittedOffsets(ctx, topic))
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if start, _ := starts.Lookup(topic, end.Partition); start.Offset < end.Offset {
			left[end.Partition] = end.Offset
		}
	})
	for len(left) > 0 { // to the end; who wants the next ones too goes on here
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(letter *kgo.Record) {
			if letter.Offset+1 >= left[letter.Partition] {
				delete(left, letter.Partition)
			}
			headers := map[string]string{}
			for _, header := range letter.Headers {
				headers[header.Key] = string(header.Value)
			}
			if headers["producer"] == name && !letter.Attrs.IsControl() {
				json.NewEncoder(os.Stdout).Encode(map[string]string{
					"letter":  fmt.Sprintf("%d:%d", letter.Partition, letter.Offset),
					"key":     string(letter.Key),
					"reason":  headers["__streams.errors.exception"],
					"message": headers["__streams.errors.message"],
				})
			}
		})
	}
}
