package api

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestReceiptSignature(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := Receipt{Attempt: Attempt{"j", 1}, NodeID: "n", Seeds: []int64{7}, ImageDigests: []string{"d"}, FinishedAt: time.Now()}
	if err := r.Sign(private); err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Receipt
	if err := json.Unmarshal(wire, &back); err != nil {
		t.Fatal(err)
	}
	if !back.Verify(public) {
		t.Error("the signature does not survive the wire")
	}
	forged := back
	forged.Seeds = []int64{8}
	if forged.Verify(public) {
		t.Error("a changed receipt passes")
	}
	other, _, _ := ed25519.GenerateKey(nil)
	if back.Verify(other) || back.Verify(nil) {
		t.Error("another key passes")
	}
}

// A signature is over the receipt's JSON, so what an older node does not say must not appear in it.
func TestReceiptsOfProtocol1StillVerify(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	old := `{"job":"j","attempt":1,"node_id":"n","device":"d","runtime":"builtin","runtime_version":"1","model":"m","model_digest":"x",` +
		`"scheduler":"DDIMScheduler","steps":20,"guidance_scale":5,"width":128,"height":128,"seeds":[7],"image_digests":["y"],` +
		`"timings":{"load":0,"encode":0,"sample":1,"decode":0,"total":1},"finished_at":"2026-11-21T10:00:00Z","signature":null}`
	var r Receipt
	if err := json.Unmarshal([]byte(old), &r); err != nil {
		t.Fatal(err)
	}
	r.Signature = ed25519.Sign(private, []byte("easel receipt 1\n"+old))
	if !r.Verify(public) {
		t.Error("the signature does not verify")
	}
}

func TestFramesGrow(t *testing.T) {
	var m NodeMessage
	if err := DecodeFrame([]byte(`{"accept":{"job":"j","attempt":2,"mood":"good"},"newer":{"x":1}}`), &m); err != nil {
		t.Fatal(err)
	}
	if m.Accept == nil || m.Accept.Job != "j" || m.Accept.Number != 2 {
		t.Errorf("got %+v", m)
	}
	for name, frame := range map[string]string{
		"two messages": `{"accept":{}}{"accept":{}}`,
		"no JSON":      `accept`,
		"too long":     `{"accept":{"job":"` + strings.Repeat("x", MaxFrame) + `"}}`,
		"wrong type":   `{"accept":[1]}`,
	} {
		if err := DecodeFrame([]byte(frame), new(NodeMessage)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte(`{"register":{"protocol":1,"public_key":"AA==","held":[{"job":"j","attempt":1}]}}`))
	f.Add([]byte(`{"done":{"job":"j","attempt":1,"images":[{"index":0}],"receipt":{"seeds":[1]}}}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var m NodeMessage
		if DecodeFrame(frame, &m) != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("decoded but not encoded: %v", err)
		}
		if len(again) <= MaxFrame && DecodeFrame(again, new(NodeMessage)) != nil {
			t.Fatalf("does not decode again: %s", again)
		}
	})
}
