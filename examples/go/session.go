package main

import (
	"encoding/json"
	"time"
)

// Session is the document, then what the processor adds.
type Session struct {
	IntegrationId string             `avro:"integrationId" json:"integrationId"`
	Created       Time               `avro:"created" json:"created"`
	ApplicationId int                `avro:"applicationId" json:"applicationId"`
	ProfileId     string             `avro:"profileId" json:"profileId"`
	Coupon        string             `avro:"coupon" json:"coupon"`
	Referral      string             `avro:"referral" json:"referral"`
	State         string             `avro:"state" json:"state"`
	CartItems     []CartItem         `avro:"cartItems" json:"cartItems"`
	Identifiers   []string           `avro:"identifiers" json:"identifiers"`
	Total         float64            `avro:"total" json:"total"`
	Attributes    Attributes         `avro:"attributes" json:"attributes"`
	FirstSession  bool               `avro:"firstSession" json:"firstSession"`
	Discounts     map[string]float64 `avro:"discounts" json:"discounts"`
	PreviousState *string            `avro:"previousState" json:"previousState"`
	Version       int64              `avro:"version" json:"version"`
	Updated       Time               `avro:"updated" json:"updated"`
	LastEventId   string             `avro:"lastEventId" json:"lastEventId"`
	InputOffset   int64              `avro:"inputOffset" json:"inputOffset"`
}

// CartItem has a nil in each optional field that was not given.
type CartItem struct {
	Name       string      `avro:"name" json:"name"`
	Sku        string      `avro:"sku" json:"sku"`
	Quantity   int         `avro:"quantity" json:"quantity"`
	Price      float64     `avro:"price" json:"price"`
	Category   *string     `avro:"category" json:"category,omitempty"`
	Weight     *float64    `avro:"weight" json:"weight,omitempty"`
	Height     *float64    `avro:"height" json:"height,omitempty"`
	Width      *float64    `avro:"width" json:"width,omitempty"`
	Length     *float64    `avro:"length" json:"length,omitempty"`
	Position   *float64    `avro:"position" json:"position,omitempty"`
	Attributes *Attributes `avro:"attributes" json:"attributes,omitempty"`
}

// Attributes holds JSON texts; as JSON they stand as they are.
type Attributes map[string]string

func (texts Attributes) MarshalJSON() ([]byte, error) {
	raw := make(map[string]json.RawMessage, len(texts))
	for name, text := range texts {
		raw[name] = json.RawMessage(text)
	}
	return json.Marshal(raw)
}

// Time is written with its milliseconds, also where they are 0.
type Time int64

func (ms Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z"))
}
