package coordinator_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/gorilla/websocket"
)

func TestRestartKeepsQueuedAndRunningJobs(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	running := w.Submit(`{"prompt":"a red circle","n":2}`)
	a := n.Assigned()
	w.Reach(running.ID, coordtest.In(api.StateRunning))
	if put := n.Put(a, 0, coordtest.Picture(a.Spec.Seed)); put.Status != 204 {
		t.Fatalf("put: %d %s", put.Status, put.Body)
	}
	var queued []string
	for i := range 5 {
		queued = append(queued, w.Submit(fmt.Sprintf(`{"prompt":"number %d"}`, i)).ID)
	}
	if err := w.Stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if closed := n.Closed(); closed.Code != websocket.CloseGoingAway {
		t.Errorf("closed with %v", closed)
	}

	w.Start()
	if w.Where.First {
		t.Error("a second start is not the first")
	}
	n.Held = []api.Attempt{a.Attempt}
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.Welcome.Drop) != 0 {
		t.Fatalf("drop: %v", n.Welcome.Drop)
	}
	n.Done(a)
	n.Settled(a.Attempt)
	for _, id := range queued {
		b := n.Assigned()
		if b.Job != id {
			t.Errorf("assigned %s, want %s: the order is lost", b.Job, id)
		}
		n.Done(b)
		n.Settled(b.Attempt)
	}
	for _, id := range append(queued, running.ID) {
		if job := w.Job(id); job.State != api.StateSucceeded || job.Attempt != 1 {
			t.Errorf("job %s: %s, attempt %d", id, job.State, job.Attempt)
		}
	}
}

func TestStaleQueueEntryIsRepaired(t *testing.T) {
	w := coordtest.New(t)
	job := w.Submit(`{"prompt":"a red circle"}`)
	w.Call("DELETE", "/easel/v1/jobs/"+job.ID, "")
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Embedded(t.Context(), w.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	queue, err := store.Open[map[string]time.Time](t.Context(), s, "queue", 0)
	if err != nil {
		t.Fatal(err)
	}
	// What a sudden end between the record and the queue entry's removal leaves, and an entry of nothing.
	for _, id := range []string{job.ID, "nothing"} {
		if _, err := queue.Create(t.Context(), id, map[string]time.Time{"since": time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	w.Start()
	n := w.Node()
	next := w.Submit(`{"prompt":"a blue star"}`)
	if a := n.Assigned(); a.Job != next.ID {
		t.Errorf("assigned %s, want %s", a.Job, next.ID)
	}
	if got := w.Job(job.ID).State; got != api.StateCanceled {
		t.Errorf("the settled job is %s", got)
	}
}
