package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestEventsOfAJobInOrder(t *testing.T) {
	w := coordtest.New(t)
	n := w.NewNode()
	job := w.Submit(`{"prompt":"a red circle","n":2,"seed":1}`)
	events := w.Follow(job.ID)
	next := func() coordtest.Event {
		e, ok := <-events
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	}
	state := func(want api.State) api.Job {
		t.Helper()
		e := next()
		j := coordtest.Decoded[api.Job](t, coordtest.Answer{Body: []byte(e.Data)})
		if e.Name != "job" || j.State != want {
			t.Fatalf("got %s %s, want job %s", e.Name, e.Data, want)
		}
		return j
	}
	if state(api.StateQueued); true {
		if err := n.Join(w.Token); err != nil {
			t.Fatal(err)
		}
	}
	state(api.StateAssigned)
	a := n.Assigned()
	state(api.StateRunning)
	n.Progress(a.Attempt, 3)
	var p api.Progress
	if e := next(); e.Name != "progress" || json.Unmarshal([]byte(e.Data), &p) != nil || p.Step != 3 || !strings.Contains(e.Data, `"attempt":1`) {
		t.Fatalf("got %+v", e)
	}
	if got := w.Job(job.ID).Progress; got == nil || got.Step != 3 {
		t.Errorf("progress of the job: %+v", got)
	}
	n.Send(api.NodeMessage{Preview: &api.Previewed{Attempt: a.Attempt, Image: 0, Step: 3, JPEG: []byte("jpeg")}})
	if e := next(); e.Name != "preview" || !strings.Contains(e.Data, `"jpeg":"anBlZw=="`) {
		t.Fatalf("got %+v", e)
	}
	n.Done(a)
	for i := range 2 {
		e := next()
		image := coordtest.Decoded[api.Image](t, coordtest.Answer{Body: []byte(e.Data)})
		if e.Name != "image" || image.Index != i || !strings.HasPrefix(image.URL, w.Where.URL) {
			t.Fatalf("got %+v", e)
		}
	}
	e := next()
	if e.ID != "8" {
		t.Errorf("the eighth event has id %s", e.ID)
	}
	if j := coordtest.Decoded[api.Job](t, coordtest.Answer{Body: []byte(e.Data)}); j.State != api.StateSucceeded || len(j.Images) != 2 {
		t.Fatalf("got %+v", e)
	}
	if e, open := <-events; open {
		t.Errorf("after the end: %+v", e)
	}
	var all []coordtest.Event
	for e := range w.Follow(job.ID) {
		all = append(all, e)
	}
	if len(all) != 1 || all[0].Name != "job" {
		t.Errorf("stream of a settled job: %+v", all)
	}
}

func TestStreamEndsWhenTheCoordinatorStops(t *testing.T) {
	w := coordtest.New(t)
	job := w.Submit(`{"prompt":"a red circle"}`)
	events := w.Follow(job.ID)
	<-events
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if e, open := <-events; open {
		t.Errorf("got %+v", e)
	}
}

func TestCancel(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	running := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	queued := w.Submit(`{"prompt":"a blue star"}`)
	if put := n.Put(a, 0, coordtest.Picture(1)); put.Status != 204 {
		t.Fatalf("put: %d", put.Status)
	}
	for range 2 { // the second time changes nothing
		for _, id := range []string{queued.ID, running.ID} {
			c := w.Call("DELETE", "/easel/v1/jobs/"+id, "")
			if j := coordtest.Decoded[api.Job](t, c); c.Status != 200 || j.State != api.StateCanceled || j.Error.Code != api.CodeCanceled {
				t.Errorf("cancel: %d %s", c.Status, c.Body)
			}
		}
	}
	if m := n.Next(); m.Cancel == nil || m.Cancel.Attempt != a.Attempt {
		t.Errorf("got %+v", m)
	}
	if put := n.Put(a, 0, coordtest.Picture(1)); put.Status != 409 {
		t.Errorf("upload after the cancel: %d", put.Status)
	}
	n.Fail(a.Attempt, api.CodeCanceled)
	n.Settled(a.Attempt)
	if got := w.Call("GET", "/easel/v1/jobs/"+running.ID+"/images/0", ""); got.Status != 404 {
		t.Errorf("image of a canceled job: %d", got.Status)
	}
	next := w.Submit(`{"prompt":"next"}`)
	b := n.Assigned()
	if b.Job != next.ID {
		t.Errorf("the slot is not free: %s", b.Job)
	}
	n.Done(b)
	n.Settled(b.Attempt)
	if j := coordtest.Decoded[api.Job](t, w.Call("DELETE", "/easel/v1/jobs/"+next.ID, "")); j.State != api.StateSucceeded {
		t.Errorf("cancel of a settled job: %s", j.State)
	}
}
