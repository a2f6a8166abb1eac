package coordinator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

func TestRestartKeepsQueuedAndRunningJobs(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	running := w.submit(`{"prompt":"a red circle","n":2}`)
	a := n.assigned()
	w.reach(running.ID, in(api.StateRunning))
	if put := n.put(a, 0, picture(a.Spec.Seed)); put.status != 204 {
		t.Fatalf("put: %d %s", put.status, put.body)
	}
	var queued []string
	for i := range 5 {
		queued = append(queued, w.submit(fmt.Sprintf(`{"prompt":"number %d"}`, i)).ID)
	}
	if err := w.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if closed := n.closed(); closed.Code != websocket.CloseGoingAway {
		t.Errorf("closed with %v", closed)
	}

	w.start()
	if w.where.First {
		t.Error("a second start is not the first")
	}
	n.held = []api.Attempt{a.Attempt}
	if err := n.join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.welcome.Drop) != 0 {
		t.Fatalf("drop: %v", n.welcome.Drop)
	}
	n.done(a)
	n.settled(a.Attempt)
	for _, id := range queued {
		b := n.assigned()
		if b.Job != id {
			t.Errorf("assigned %s, want %s: the order is lost", b.Job, id)
		}
		n.done(b)
		n.settled(b.Attempt)
	}
	for _, id := range append(queued, running.ID) {
		if job := w.job(id); job.State != api.StateSucceeded || job.Attempt != 1 {
			t.Errorf("job %s: %s, attempt %d", id, job.State, job.Attempt)
		}
	}
}

func TestNodeThatLostItsAttemptMeanwhile(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	w.submit(`{"prompt":"a red circle"}`)
	n.assigned()
	if err := n.join(""); err != nil { // the agent was killed and holds nothing
		t.Fatal(err)
	}
	if a := n.assigned(); a.Number != 2 {
		t.Errorf("attempt %d, want 2 at once", a.Number)
	}
}

func TestAssignmentLostWithItsSessionIsNoTry(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	for range maxTries {
		n.offered()
		if err := n.join(""); err != nil { // the node never read it
			t.Fatal(err)
		}
	}
	n.done(n.assigned())
	if job = w.reach(job.ID, in(api.StateSucceeded)); job.Attempt != maxTries+1 {
		t.Errorf("attempt %d", job.Attempt)
	}
}

func TestReconnectAdoptsTheAttempt(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	w.reach(job.ID, in(api.StateRunning))
	n.conn.UnderlyingConn().Close()
	n.held = []api.Attempt{a.Attempt, {Job: "older", Number: 1}}
	if err := n.join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.welcome.Drop) != 1 || n.welcome.Drop[0].Job != "older" {
		t.Errorf("drop: %v", n.welcome.Drop)
	}
	n.done(a)
	n.settled(a.Attempt)
	if job = w.job(job.ID); job.State != api.StateSucceeded || job.Attempt != 1 {
		t.Errorf("job: %s, attempt %d", job.State, job.Attempt)
	}
}

func TestSecondSessionReplacesTheFirst(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	first := *n
	if err := n.join(""); err != nil {
		t.Fatal(err)
	}
	if closed := first.closed(); closed.Code != websocket.ClosePolicyViolation {
		t.Errorf("closed with %v", closed)
	}
	w.submit(`{"prompt":"a red circle"}`)
	n.assigned()
	if node := decoded[api.Node](t, w.call("GET", "/easel/v1/nodes/"+n.id, "")); !node.Connected || len(node.Busy) != 1 {
		t.Errorf("node: %+v", node)
	}
}

func TestDataDirectoryInUse(t *testing.T) {
	w := newWorld(t)
	err := Run(t.Context(), Config{Data: w.dir, Listen: "127.0.0.1:0"})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestUnusableAddress(t *testing.T) {
	if err := Run(t.Context(), Config{Data: t.TempDir(), Listen: "256.0.0.1:1"}); err == nil {
		t.Error("no error")
	}
}

func TestStaleQueueEntryIsRepaired(t *testing.T) {
	w := newWorld(t)
	job := w.submit(`{"prompt":"a red circle"}`)
	w.call("DELETE", "/easel/v1/jobs/"+job.ID, "")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := openStorage(t.Context(), w.dir, discard)
	if err != nil {
		t.Fatal(err)
	}
	// What a sudden end between the record and the queue entry's removal leaves, and an entry of nothing.
	for _, id := range []string{job.ID, "nothing"} {
		if _, err := s.queue.create(t.Context(), id, place{Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	w.start()
	n := w.node()
	next := w.submit(`{"prompt":"a blue star"}`)
	if a := n.assigned(); a.Job != next.ID {
		t.Errorf("assigned %s, want %s", a.Job, next.ID)
	}
	if got := w.job(job.ID).State; got != api.StateCanceled {
		t.Errorf("the settled job is %s", got)
	}
}
