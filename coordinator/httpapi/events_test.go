package coordinator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

func TestEventsOfAJobInOrder(t *testing.T) {
	w := newWorld(t)
	n := w.newNode()
	job := w.submit(`{"prompt":"a red circle","n":2,"seed":1}`)
	events := w.follow(job.ID)
	next := func() sentEvent {
		e, ok := <-events
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	}
	state := func(want api.State) api.Job {
		t.Helper()
		e := next()
		j := decoded[api.Job](t, answer{body: []byte(e.data)})
		if e.name != "job" || j.State != want {
			t.Fatalf("got %s %s, want job %s", e.name, e.data, want)
		}
		return j
	}
	if state(api.StateQueued); true {
		if err := n.join(w.token); err != nil {
			t.Fatal(err)
		}
	}
	state(api.StateAssigned)
	a := n.assigned()
	state(api.StateRunning)
	n.progress(a.Attempt, 3)
	var p api.Progress
	if e := next(); e.name != "progress" || json.Unmarshal([]byte(e.data), &p) != nil || p.Step != 3 || !strings.Contains(e.data, `"attempt":1`) {
		t.Fatalf("got %+v", e)
	}
	if got := w.job(job.ID).Progress; got == nil || got.Step != 3 {
		t.Errorf("progress of the job: %+v", got)
	}
	n.say(api.NodeMessage{Preview: &api.Previewed{Attempt: a.Attempt, Image: 0, Step: 3, JPEG: []byte("jpeg")}})
	if e := next(); e.name != "preview" || !strings.Contains(e.data, `"jpeg":"anBlZw=="`) {
		t.Fatalf("got %+v", e)
	}
	n.done(a)
	for i := range 2 {
		e := next()
		image := decoded[api.Image](t, answer{body: []byte(e.data)})
		if e.name != "image" || image.Index != i || !strings.HasPrefix(image.URL, w.where.URL) {
			t.Fatalf("got %+v", e)
		}
	}
	e := next()
	if e.id != "8" {
		t.Errorf("the eighth event has id %s", e.id)
	}
	if j := decoded[api.Job](t, answer{body: []byte(e.data)}); j.State != api.StateSucceeded || len(j.Images) != 2 {
		t.Fatalf("got %+v", e)
	}
	if e, open := <-events; open {
		t.Errorf("after the end: %+v", e)
	}
	var all []sentEvent
	for e := range w.follow(job.ID) {
		all = append(all, e)
	}
	if len(all) != 1 || all[0].name != "job" {
		t.Errorf("stream of a settled job: %+v", all)
	}
}

func TestSlowWatcherLosesNothingThatMatters(t *testing.T) {
	e := newEvents()
	feed, stop := e.watch("a")
	defer stop()
	for i := range 1000 {
		e.publish("a", event{progress: &api.Progressed{Progress: api.Progress{Step: i}}})
		e.publish("a", event{preview: &api.Previewed{Step: i}})
		if i%100 == 0 {
			e.publish("a", event{image: &api.Image{Index: i}})
		}
		e.publish("b", event{image: &api.Image{Index: i}})
	}
	e.publish("a", event{job: &api.Job{}})
	var got []string
	for _, ev := range feed.take() {
		switch {
		case ev.image != nil:
			got = append(got, fmt.Sprintf("image %d", ev.image.Index))
		case ev.progress != nil:
			got = append(got, fmt.Sprintf("progress %d", ev.progress.Progress.Step))
		case ev.preview != nil:
			got = append(got, fmt.Sprintf("preview %d", ev.preview.Step))
		default:
			got = append(got, "job")
		}
	}
	want := []string{"image 0", "image 100", "image 200", "image 300", "image 400", "image 500", "image 600", "image 700",
		"image 800", "image 900", "progress 999", "preview 999", "job"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestStreamEndsWhenTheCoordinatorStops(t *testing.T) {
	w := newWorld(t)
	job := w.submit(`{"prompt":"a red circle"}`)
	events := w.follow(job.ID)
	<-events
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if e, open := <-events; open {
		t.Errorf("got %+v", e)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	running := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	queued := w.submit(`{"prompt":"a blue star"}`)
	if put := n.put(a, 0, picture(1)); put.status != 204 {
		t.Fatalf("put: %d", put.status)
	}
	for range 2 { // the second time changes nothing
		for _, id := range []string{queued.ID, running.ID} {
			c := w.call("DELETE", "/easel/v1/jobs/"+id, "")
			if j := decoded[api.Job](t, c); c.status != 200 || j.State != api.StateCanceled || j.Error.Code != api.CodeCanceled {
				t.Errorf("cancel: %d %s", c.status, c.body)
			}
		}
	}
	if m := n.next(); m.Cancel == nil || m.Cancel.Attempt != a.Attempt {
		t.Errorf("got %+v", m)
	}
	if put := n.put(a, 0, picture(1)); put.status != 409 {
		t.Errorf("upload after the cancel: %d", put.status)
	}
	n.fail(a.Attempt, api.CodeCanceled)
	n.settled(a.Attempt)
	if got := w.call("GET", "/easel/v1/jobs/"+running.ID+"/images/0", ""); got.status != 404 {
		t.Errorf("image of a canceled job: %d", got.status)
	}
	next := w.submit(`{"prompt":"next"}`)
	b := n.assigned()
	if b.Job != next.ID {
		t.Errorf("the slot is not free: %s", b.Job)
	}
	n.done(b)
	n.settled(b.Attempt)
	if j := decoded[api.Job](t, w.call("DELETE", "/easel/v1/jobs/"+next.ID, "")); j.State != api.StateSucceeded {
		t.Errorf("cancel of a settled job: %s", j.State)
	}
}
