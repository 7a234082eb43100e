// Reads the document, a line each, into its Go type, and writes what it read.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"
)

// CustomerSession is the document.
type CustomerSession struct {
	IntegrationId string             `json:"integrationId"`
	Created       time.Time          `json:"created"`
	ApplicationId int32              `json:"applicationId"`
	ProfileId     string             `json:"profileId"`
	Coupon        string             `json:"coupon"`
	Referral      string             `json:"referral"`
	State         string             `json:"state"`
	CartItems     []CartItem         `json:"cartItems"`
	Identifiers   []string           `json:"identifiers"`
	Total         float64            `json:"total"`
	Attributes    map[string]any     `json:"attributes"`
	FirstSession  bool               `json:"firstSession"`
	Discounts     map[string]float64 `json:"discounts"`
}

// CartItem is one line of a cart.
type CartItem struct {
	Name       string         `json:"name"`
	Sku        string         `json:"sku"`
	Quantity   int32          `json:"quantity"`
	Price      float64        `json:"price"`
	Category   *string        `json:"category,omitempty"`
	Weight     *float64       `json:"weight,omitempty"`
	Height     *float64       `json:"height,omitempty"`
	Width      *float64       `json:"width,omitempty"`
	Length     *float64       `json:"length,omitempty"`
	Position   *float64       `json:"position,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	in.DisallowUnknownFields()
	for {
		var session CustomerSession
		if err := in.Decode(&session); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		out.Encode(session)
	}
}
