package api

import (
	"encoding/json"
	"fmt"
)

const (
	// MaxDescription is the most bytes of JSON that a node's runtimes may have: some 500 models and 10,000
	// LoRAs.
	MaxDescription = 2 << 20
	// describePart is how many of them one frame carries; base64 makes a third more of them.
	describePart = 44 << 10
)

// Describe carries a part of what a Register had no room for: the JSON of the runtimes, cut anywhere.
type Describe struct {
	Part int    `json:"part"` // from 0, in order
	JSON []byte `json:"json"`
}

// DescribeRuntimes cuts runtimes into parts that fit into frames. It fails beyond MaxDescription.
func DescribeRuntimes(runtimes []Runtime) ([]Describe, error) {
	body, err := json.Marshal(runtimes)
	if err != nil {
		return nil, fmt.Errorf("describe runtimes: %w", err)
	}
	if len(body) > MaxDescription {
		return nil, fmt.Errorf("describe runtimes: got %d bytes of models and LoRAs, want at most %d", len(body), MaxDescription)
	}
	var parts []Describe
	for len(body) > 0 {
		n := min(len(body), describePart)
		parts = append(parts, Describe{len(parts), body[:n]})
		body = body[n:]
	}
	return parts, nil
}

// MaxDescribeParts is the most parts a description has.
const MaxDescribeParts = (MaxDescription + describePart - 1) / describePart

// A Description collects the parts of a node's runtimes.
type Description struct {
	parts int
	body  []byte
}

// Add takes the next part.
func (d *Description) Add(p Describe) error {
	if p.Part != d.parts {
		return fmt.Errorf("got part %d, want %d", p.Part, d.parts)
	}
	if len(d.body)+len(p.JSON) > MaxDescription {
		return fmt.Errorf("got more than %d bytes", MaxDescription)
	}
	d.parts++
	d.body = append(d.body, p.JSON...)
	return nil
}

// Runtimes are those that the parts describe.
func (d *Description) Runtimes() ([]Runtime, error) {
	var runtimes []Runtime
	if err := json.Unmarshal(d.body, &runtimes); err != nil {
		return nil, fmt.Errorf("the parts are no runtimes: %w", err)
	}
	return runtimes, nil
}
