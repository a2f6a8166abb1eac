package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestOutboxPutsResultsBeforePictures(t *testing.T) {
	o := newOutbox()
	a := api.Attempt{Job: "a", Number: 1}
	for step := range 3 {
		o.put(api.NodeMessage{Preview: &api.Previewed{Attempt: a, Step: step}})
		o.put(api.NodeMessage{Progress: &api.Progressed{Attempt: a, Progress: api.Progress{Step: step}}})
	}
	o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	o.put(api.NodeMessage{Accept: &api.Accept{Attempt: a}})
	var order []string
	for range 4 {
		m, err := o.take()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Heartbeat != nil:
			order = append(order, "heartbeat")
		case m.Accept != nil:
			order = append(order, "accept")
		case m.Progress != nil && m.Progress.Progress.Step == 2:
			order = append(order, "newest progress")
		case m.Preview != nil && m.Preview.Step == 2:
			order = append(order, "newest preview")
		}
	}
	if got := strings.Join(order, ", "); got != "heartbeat, accept, newest progress, newest preview" {
		t.Errorf("order: %s", got)
	}
	o.put(api.NodeMessage{Leaving: &api.Leaving{}})
	o.close()
	o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	if m, err := o.take(); err != nil || m.Leaving == nil {
		t.Errorf("what was put before close: %+v, %v", m, err)
	}
	if _, err := o.take(); !errors.Is(err, errClosed) {
		t.Errorf("after close: %v, want errClosed", err)
	}
}

func TestOutboxThatNobodyEmptiesEndsTheSession(t *testing.T) {
	o := newOutbox()
	for range outboxLimit + 1 {
		o.put(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
	}
	for range outboxLimit {
		if _, err := o.take(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.take(); !errors.Is(err, errOverflow) {
		t.Errorf("got %v, want errOverflow", err)
	}
}
