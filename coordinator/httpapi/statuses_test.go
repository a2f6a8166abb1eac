package coordinator

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/easelgrid/easel/api"
)

// Whatever the body of a request is, it becomes a spec that can be made or an error that says what
// is wrong in a form clients know.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"prompt":"a red circle"}`, `{"prompt":"a","steps":0}`, `{"prompt":"a","loras":[{"name":"outline","weight":0.5}]}`,
		`{"prompt":1}`, `{"x":1}`, `{} {}`, `[]`, `null`, ``, `{"prompt":"a","seed":-1,"n":4,"guidance_scale":1e308}`, `{"prompt":"\u0000\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	c := &coordinator{config: Config{Models: []api.Runtime{testRuntime}}, nodes: &nodes{}, models: &catalogFile{}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var request api.JobRequest
		err := decodeStrict(body, &request)
		var spec api.ImageSpec
		if err == nil {
			spec, err = c.resolve(request, 1)
		}
		if err != nil {
			told, ok := errors.AsType[*api.Error](err)
			if !ok || told.Message == "" || statuses[told.Code]/100 != 4 {
				t.Fatalf("%q gives %v", body, err)
			}
			if _, err := json.Marshal(told); err != nil {
				t.Fatal(err)
			}
			return
		}
		if faults := spec.Faults(); len(faults) != 0 {
			t.Fatalf("%q was accepted with %v", body, faults)
		}
		if err := testRuntime.Check(spec); err != nil {
			t.Fatalf("%q was accepted: %v", body, err)
		}
	})
}

// Whatever a frame holds, it is read or refused, and what was read can be written and read again.
func FuzzFrame(f *testing.F) {
	for _, m := range []api.NodeMessage{
		{Register: &api.Register{Protocol: 1, PublicKey: []byte("key"), Held: []api.Attempt{{Job: "a", Number: 1}}}},
		{Heartbeat: &api.Heartbeat{Sequence: 1}}, {Preview: &api.Previewed{JPEG: []byte("x")}}, {Done: &api.Done{}}, {Leaving: &api.Leaving{Reason: "sleeping"}},
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
		var m api.NodeMessage
		if api.DecodeFrame(frame, &m) != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", frame, err)
		}
		var same api.NodeMessage
		if len(again) <= api.MaxFrame {
			if err := api.DecodeFrame(again, &same); err != nil {
				t.Fatalf("%q was written as %q: %v", frame, again, err)
			}
		}
	})
}
