package session_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

// A node with more models and LoRAs than a frame holds registers, and still does after a restart of the
// coordinator.
func TestLargeDescriptionRegisters(t *testing.T) {
	w := coordtest.New(t)
	n := w.NewNode()
	shapes := &n.Runtimes[0].Models[0]
	for i := range 10_000 {
		shapes.LoRAs = append(shapes.LoRAs, api.Adapter{Name: fmt.Sprintf("lora-%d", i), Digest: strings.Repeat("0", 64)})
	}
	if err := n.Join(w.Token); err != nil {
		t.Fatal(err)
	}
	job := w.Submit(`{"prompt":"a red circle","loras":[{"name":"lora-9999","weight":1}]}`)
	a := n.Assigned()
	n.Done(a)
	n.Settled(a.Attempt)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	if got := w.Job(job.ID); got.State != api.StateSucceeded {
		t.Errorf("the job is %s", got.State)
	}
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	node := coordtest.Decoded[api.Node](t, w.Call("GET", "/easel/v1/nodes/"+n.ID, ""))
	if got := len(node.Runtimes[0].Models[0].LoRAs); got != 10_001 {
		t.Errorf("it has %d LoRAs", got)
	}
}

func TestBrokenDescriptions(t *testing.T) {
	w := coordtest.New(t)
	for name, c := range map[string]struct {
		parts int
		send  []api.NodeMessage
		want  string
	}{
		"too many parts":         {1 << 20, nil, "want at most"},
		"another message":        {2, []api.NodeMessage{{Heartbeat: &api.Heartbeat{}}}, "another message"},
		"parts in wrong order":   {2, []api.NodeMessage{{Describe: &api.Describe{Part: 1, JSON: []byte("[")}}}, "got part 1, want 0"},
		"parts that are no JSON": {1, []api.NodeMessage{{Describe: &api.Describe{JSON: []byte("[")}}}, "no runtimes"},
	} {
		t.Run(name, func(t *testing.T) {
			n := w.NewNode()
			n.Introduce(n.Dial(), coordtest.Decoded[api.JoinToken](t, w.Call("POST", "/easel/v1/tokens", "")).Token, c.parts)
			for _, m := range c.send {
				n.Send(m)
			}
			m := n.Next()
			if m.Refused == nil || m.Refused.Code != api.CodeInvalidRequest || !strings.Contains(m.Refused.Message, c.want) {
				t.Errorf("got %+v", m)
			}
		})
	}
}

// A node that may not join is refused before its description is read, and reads the refusal although it has
// sent all of it.
func TestStrangerWithALargeDescriptionIsRefused(t *testing.T) {
	w := coordtest.New(t)
	n := w.NewNode()
	shapes := &n.Runtimes[0].Models[0]
	for i := range 10_000 {
		shapes.LoRAs = append(shapes.LoRAs, api.Adapter{Name: fmt.Sprintf("lora-%d", i), Digest: strings.Repeat("0", 64)})
	}
	err := n.Join("easel-join-1.unknown")
	if refused, ok := errors.AsType[*api.Error](err); !ok || refused.Code != api.CodeUnauthorized {
		t.Errorf("got %v", err)
	}
}
