package session_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/internal/ident"
	"github.com/gorilla/websocket"
)

func TestFailedAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		codes []api.Code // of each attempt, in order
		state api.State
		code  api.Code
		on    int // nodes
	}{
		"requester's error":          {[]api.Code{api.CodeLoRAIncompatible}, api.StateFailed, api.CodeLoRAIncompatible, 1},
		"three tries":                {[]api.Code{api.CodeRuntimeFailed, api.CodeUploadFailed, api.CodeModelBroken}, api.StateFailed, api.CodeModelBroken, 1},
		"a crash, then fine":         {[]api.Code{api.CodeRuntimeCrashed, ""}, api.StateSucceeded, "", 1},
		"one node crashing thrice":   {[]api.Code{api.CodeRuntimeCrashed, api.CodeRuntimeHung, api.CodeRuntimeCrashed}, api.StateFailed, api.CodeRuntimeCrashed, 1},
		"two nodes brought down":     {[]api.Code{api.CodeRuntimeCrashed, api.CodeRuntimeHung}, api.StateFailed, api.CodeQuarantined, 2},
		"stopped nodes cost nothing": {[]api.Code{api.CodeNodeStopped, api.CodeNodeStopped, api.CodeNodeStopped, api.CodeNodeStopped, ""}, api.StateSucceeded, "", 1},
		"the node gave up by itself": {[]api.Code{api.CodeCanceled, ""}, api.StateSucceeded, "", 1},
		"too large for every node":   {[]api.Code{api.CodeOutOfMemory}, api.StateFailed, api.CodeOutOfMemory, 1},
		"too large for one of two":   {[]api.Code{api.CodeOutOfMemory, ""}, api.StateSucceeded, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := coordtest.New(t)
			var nodes []*coordtest.Node
			for range c.on {
				nodes = append(nodes, w.Node())
			}
			job := w.Submit(`{"prompt":"a red circle"}`)
			var last *coordtest.Node
			for i, code := range c.codes {
				w.Reach(job.ID, func(j api.Job) bool { return j.Attempt == i+1 })
				n := nodeOf(nodes, w.Job(job.ID).NodeID)
				if c.on > 1 && n == last {
					t.Errorf("attempt %d went to the node that lost the one before", i+1)
				}
				last = n
				a := n.Assigned()
				if a.Number != i+1 {
					t.Fatalf("attempt %d, want %d", a.Number, i+1)
				}
				if code == "" {
					n.Done(a)
				} else {
					n.Fail(a.Attempt, code)
				}
				n.Settled(a.Attempt)
			}
			job = w.Reach(job.ID, func(j api.Job) bool { return j.State.Terminal() })
			if job.State != c.state || job.Error != nil && job.Error.Code != c.code || job.Error == nil && c.code != "" {
				t.Errorf("job is %s (%v), want %s (%s)", job.State, job.Error, c.state, c.code)
			}
			if c.code == api.CodeQuarantined && (!strings.Contains(job.Error.Message, "reported by "+nodes[0].ID) || !strings.Contains(job.Error.Message, "reported by "+nodes[1].ID)) {
				t.Errorf("a quarantined job must keep both nodes' reports: %s", job.Error.Message)
			}
		})
	}
}

func nodeOf(nodes []*coordtest.Node, id string) *coordtest.Node {
	for _, n := range nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

func TestErrorsOfANodeFitIntoTheRecord(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	long := strings.Repeat("<", 60<<10) // our records escape it: six bytes each
	for range 10 + tries {
		a := n.Assigned()
		frame := fmt.Sprintf(`{"failed":{"job":%q,"attempt":%d,"error":{"code":"node_stopped","faults":[{"field":%q}]}}}`, a.Job, a.Number, long)
		if err := n.Conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		n.Settled(a.Attempt)
	}
	if job = w.Job(job.ID); job.State != api.StateFailed {
		t.Errorf("job: %s", job.State)
	}
}

func TestWhatIsTooLargeIsLearned(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle","width":256,"height":256}`)
	a := n.Assigned()
	n.Fail(a.Attempt, api.CodeOutOfMemory)
	n.Settled(a.Attempt)
	w.Reach(job.ID, coordtest.In(api.StateFailed))

	same := w.Submit(`{"prompt":"a red circle","width":512,"height":256}`)
	small := w.Submit(`{"prompt":"a red circle"}`)
	if b := n.Assigned(); b.Job != small.ID {
		t.Fatalf("assigned %s, want the smaller job %s", b.Job, small.ID)
	}
	e := coordtest.Decoded[api.Explanation](t, w.Call("GET", "/easel/v1/jobs/"+same.ID+"/explain", ""))
	if len(e.Nodes) != 1 || !strings.Contains(e.Nodes[0].Reason, "ran out of memory with model shapes at 65536 pixels") {
		t.Errorf("explanation: %+v", e)
	}
}

func TestRejectedAssignmentGoesToAnotherNode(t *testing.T) {
	w := coordtest.New(t)
	first, second := w.Node(), w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	assigned := w.Reach(job.ID, coordtest.In(api.StateAssigned))
	if assigned.NodeID == second.ID {
		first, second = second, first
	}
	a := first.Offered()
	first.Send(api.NodeMessage{Reject: &api.Reject{Attempt: a.Attempt, Error: api.Error{Code: api.CodeRejected, Message: "busy"}}})
	b := second.Assigned()
	if b.Job != job.ID || b.Number != 2 {
		t.Errorf("second assignment: %+v", b.Attempt)
	}
}

func TestSilenceAfterAnAssignmentIsARejection(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.AcceptTimeout = 100 * time.Millisecond })
	n := w.Node()
	w.Submit(`{"prompt":"a red circle"}`)
	if a := n.Offered(); a.Number != 1 {
		t.Fatalf("first: %+v", a)
	}
	b := n.Offered() // the same node again: there is no other, and its pause is over
	if b.Number != 2 {
		t.Errorf("second: %+v", b)
	}
}

func TestSilentNodeLosesItsAttempt(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.Lease, c.Heartbeat = time.Second, 20*time.Millisecond })
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	if closed := n.Closed(); !strings.Contains(closed.Text, "no heartbeat") {
		t.Errorf("closed with %v", closed)
	}
	w.Reach(job.ID, func(j api.Job) bool { return j.State == api.StateQueued && j.Attempt == 1 })

	// It comes back with its result after the lease: late words change nothing.
	n.Held = []api.Attempt{a.Attempt}
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.Welcome.Drop) != 1 || n.Welcome.Drop[0] != a.Attempt {
		t.Errorf("drop: %v", n.Welcome.Drop)
	}
	b := n.Assigned()
	if b.Number != 2 {
		t.Fatalf("attempt %d, want 2", b.Number)
	}
	n.Beat(b.Attempt)
	if late := n.Put(a, 0, coordtest.Picture(1)); late.Status != 409 {
		t.Errorf("late upload: %d %s", late.Status, late.Body)
	}
	n.Fail(a.Attempt, api.CodeRuntimeCrashed)
	n.Settled(a.Attempt)
	n.Beat(b.Attempt)
	n.Done(b)
	n.Settled(b.Attempt)
	if job = w.Job(job.ID); job.State != api.StateSucceeded || job.Attempt != 2 {
		t.Errorf("job: %+v", job)
	}
}

func TestHeartbeatsKeepAnAttempt(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.Lease, c.Heartbeat = time.Second, 20*time.Millisecond })
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 30 { // longer than a lease
		<-tick.C
		if beat := n.Beat(a.Attempt); len(beat.Drop) != 0 {
			t.Fatalf("drop: %v", beat.Drop)
		}
	}
	n.Done(a)
	n.Settled(a.Attempt)
	if job = w.Job(job.ID); job.Attempt != 1 {
		t.Errorf("attempt %d, want 1", job.Attempt)
	}
}

func TestDroppedByHeartbeat(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	stranger := api.Attempt{Job: "nobody", Number: 3}
	if beat := n.Beat(stranger); len(beat.Drop) != 1 || beat.Drop[0] != stranger {
		t.Errorf("drop: %v", beat.Drop)
	}
}

func TestResultThatDoesNotHold(t *testing.T) {
	for name, spoil := range map[string]func(*api.Receipt){
		"model":   func(r *api.Receipt) { r.Model = "other" },
		"node":    func(r *api.Receipt) { r.NodeID = "other" },
		"size":    func(r *api.Receipt) { r.Width++ },
		"seeds":   func(r *api.Receipt) { r.Seeds = nil },
		"digests": func(r *api.Receipt) { r.ImageDigests[0] = ident.Digest(nil) },
		"attempt": func(r *api.Receipt) { r.Number++ },
	} {
		t.Run(name, func(t *testing.T) {
			w := coordtest.New(t)
			n := w.Node()
			job := w.Submit(`{"prompt":"a red circle"}`)
			a := n.Assigned()
			n.Done(a, spoil)
			n.Settled(a.Attempt)
			b := n.Assigned()
			n.Send(api.NodeMessage{Done: &api.Done{Attempt: b.Attempt, Receipt: api.Receipt{Attempt: b.Attempt}}}) // not signed
			n.Settled(b.Attempt)
			if c := n.Assigned(); c.Number != 3 || w.Job(job.ID).State.Terminal() {
				t.Errorf("third: %+v", c.Attempt)
			}
		})
	}
}

func TestDoneWithoutAllImages(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle","n":2}`)
	for range tries {
		a := n.Assigned()
		r := api.Receipt{Attempt: a.Attempt, NodeID: n.ID}
		if err := r.Sign(n.Key); err != nil {
			t.Fatal(err)
		}
		n.Send(api.NodeMessage{Done: &api.Done{Attempt: a.Attempt, Receipt: r}})
		n.Settled(a.Attempt)
	}
	if job = w.Job(job.ID); job.State != api.StateFailed || job.Error.Code != api.CodeUploadFailed {
		t.Errorf("job: %s %v", job.State, job.Error)
	}
}
