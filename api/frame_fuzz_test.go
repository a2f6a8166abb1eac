package api

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Whatever a frame holds, it is read or refused, and what was read can be written and read again.
func FuzzFrame(f *testing.F) {
	for _, m := range []NodeMessage{
		{Register: &Register{Protocol: 1, PublicKey: []byte("key"), Held: []Attempt{{Job: "a", Number: 1}}}},
		{Heartbeat: &Heartbeat{Sequence: 1}}, {Preview: &Previewed{JPEG: []byte("x")}}, {Done: &Done{}}, {Leaving: &Leaving{Reason: "sleeping"}},
	} {
		frame, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Add([]byte(`{"new":{}} trailing`))
	f.Add(bytes.Repeat([]byte("["), 20_000))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var m NodeMessage
		if DecodeFrame(frame, &m) != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", frame, err)
		}
		var same NodeMessage
		if len(again) <= MaxFrame {
			if err := DecodeFrame(again, &same); err != nil {
				t.Fatalf("%q was written as %q: %v", frame, again, err)
			}
		}
	})
}
