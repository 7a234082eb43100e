// Prints a session from Redis as JSON: go run . REDIS_URL PREFIX APPLICATION:INTEGRATION
package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/hamba/avro/v2"
	"github.com/redis/go-redis/v9"
)

func main() {
	url, prefix, key, ctx := os.Args[1], os.Args[2], os.Args[3], context.Background()
	options, err := redis.ParseURL(url)
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	layout := client.HGet(ctx, prefix+":meta", "layout").Val()
	partitions, err := client.HGet(ctx, prefix+":meta", "partitions").Int()
	if err != nil || layout != "1" {
		log.Fatal("not the layout that this program knows")
	}
	pointers := make([]*redis.StringCmd, partitions) // step 1: each partition's generation
	client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for p := range pointers {
			pointers[p] = pipe.Get(ctx, fmt.Sprintf("{%s:%d}:current", prefix, p))
		}
		return nil
	})
	for p, pointer := range pointers { // step 2: the session in it, beside its checkpoint
		hash := fmt.Sprintf("{%s:%d}:sessions:%s", prefix, p, pointer.Val())
		found := client.HMGet(ctx, hash, "", key).Val()
		if len(found) != 2 || found[0] == nil || found[1] == nil {
			continue
		}
		snapshot := []byte(found[1].(string))
		name, datum := hex.EncodeToString(snapshot[2:10]), snapshot[10:] // single-object encoding
		if snapshot[0] == 0 {                                            // a schema registry's id
			name, datum = fmt.Sprint(binary.BigEndian.Uint32(snapshot[1:5])), snapshot[5:]
		}
		text := client.HGet(ctx, prefix+":schemas", name).Val()
		session := Session{CartItems: []CartItem{}, Identifiers: []string{}, Discounts: map[string]float64{}}
		if err := avro.Unmarshal(avro.MustParse(text), datum, &session); err != nil {
			log.Fatal(err)
		}
		json.NewEncoder(os.Stdout).Encode(session)
		return
	}
	log.Fatal("no such session")
}
