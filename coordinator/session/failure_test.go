package coordinator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
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
			w := newWorld(t)
			var nodes []*scripted
			for range c.on {
				nodes = append(nodes, w.node())
			}
			job := w.submit(`{"prompt":"a red circle"}`)
			var last *scripted
			for i, code := range c.codes {
				w.reach(job.ID, func(j api.Job) bool { return j.Attempt == i+1 })
				n := nodeOf(nodes, w.job(job.ID).NodeID)
				if c.on > 1 && n == last {
					t.Errorf("attempt %d went to the node that lost the one before", i+1)
				}
				last = n
				a := n.assigned()
				if a.Number != i+1 {
					t.Fatalf("attempt %d, want %d", a.Number, i+1)
				}
				if code == "" {
					n.done(a)
				} else {
					n.fail(a.Attempt, code)
				}
				n.settled(a.Attempt)
			}
			job = w.reach(job.ID, func(j api.Job) bool { return j.State.Terminal() })
			if job.State != c.state || job.Error != nil && job.Error.Code != c.code || job.Error == nil && c.code != "" {
				t.Errorf("job is %s (%v), want %s (%s)", job.State, job.Error, c.state, c.code)
			}
			if c.code == api.CodeQuarantined && (!strings.Contains(job.Error.Message, "said by "+nodes[0].id) || !strings.Contains(job.Error.Message, "said by "+nodes[1].id)) {
				t.Errorf("a quarantined job must keep both nodes' words: %s", job.Error.Message)
			}
		})
	}
}

func nodeOf(nodes []*scripted, id string) *scripted {
	for _, n := range nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func TestErrorsOfANodeFitIntoTheRecord(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	long := strings.Repeat("<", 60<<10) // our records escape it: six bytes each
	for range maxFree + maxTries {
		a := n.assigned()
		frame := fmt.Sprintf(`{"failed":{"job":%q,"attempt":%d,"error":{"code":"node_stopped","faults":[{"field":%q}]}}}`, a.Job, a.Number, long)
		if err := n.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		n.settled(a.Attempt)
	}
	if job = w.job(job.ID); job.State != api.StateFailed {
		t.Errorf("job: %s", job.State)
	}
}

func TestWhatIsTooLargeIsLearned(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle","width":256,"height":256}`)
	a := n.assigned()
	n.fail(a.Attempt, api.CodeOutOfMemory)
	n.settled(a.Attempt)
	w.reach(job.ID, in(api.StateFailed))

	same := w.submit(`{"prompt":"a red circle","width":512,"height":256}`)
	small := w.submit(`{"prompt":"a red circle"}`)
	if b := n.assigned(); b.Job != small.ID {
		t.Fatalf("assigned %s, want the smaller job %s", b.Job, small.ID)
	}
	e := decoded[explanation](t, w.call("GET", "/easel/v1/jobs/"+same.ID+"/explain", ""))
	if len(e.Nodes) != 1 || !strings.Contains(e.Nodes[0].Reason, "ran out of memory with model shapes at 65536 pixels") {
		t.Errorf("explanation: %+v", e)
	}
}

func TestRejectedAssignmentGoesToAnotherNode(t *testing.T) {
	w := newWorld(t)
	first, second := w.node(), w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	assigned := w.reach(job.ID, in(api.StateAssigned))
	if assigned.NodeID == second.id {
		first, second = second, first
	}
	a := first.offered()
	first.say(api.NodeMessage{Reject: &api.Reject{Attempt: a.Attempt, Error: api.Error{Code: api.CodeRejected, Message: "busy"}}})
	b := second.assigned()
	if b.Job != job.ID || b.Number != 2 {
		t.Errorf("second assignment: %+v", b.Attempt)
	}
}

func TestSilenceAfterAnAssignmentIsARejection(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.AcceptTimeout = 100 * time.Millisecond })
	n := w.node()
	w.submit(`{"prompt":"a red circle"}`)
	if a := n.offered(); a.Number != 1 {
		t.Fatalf("first: %+v", a)
	}
	b := n.offered() // the same node again: there is no other, and its pause is over
	if b.Number != 2 {
		t.Errorf("second: %+v", b)
	}
}

func TestSilentNodeLosesItsAttempt(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Lease, c.Heartbeat = time.Second, 20*time.Millisecond })
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	if closed := n.closed(); !strings.Contains(closed.Text, "no heartbeat") {
		t.Errorf("closed with %v", closed)
	}
	w.reach(job.ID, func(j api.Job) bool { return j.State == api.StateQueued && j.Attempt == 1 })

	// It comes back with its result after the lease: late words change nothing.
	n.held = []api.Attempt{a.Attempt}
	if err := n.join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.welcome.Drop) != 1 || n.welcome.Drop[0] != a.Attempt {
		t.Errorf("drop: %v", n.welcome.Drop)
	}
	b := n.assigned()
	if b.Number != 2 {
		t.Fatalf("attempt %d, want 2", b.Number)
	}
	n.beat(b.Attempt)
	if late := n.put(a, 0, picture(1)); late.status != 409 {
		t.Errorf("late upload: %d %s", late.status, late.body)
	}
	n.fail(a.Attempt, api.CodeRuntimeCrashed)
	n.settled(a.Attempt)
	n.beat(b.Attempt)
	n.done(b)
	n.settled(b.Attempt)
	if job = w.job(job.ID); job.State != api.StateSucceeded || job.Attempt != 2 {
		t.Errorf("job: %+v", job)
	}
}

func TestHeartbeatsKeepAnAttempt(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Lease, c.Heartbeat = time.Second, 20*time.Millisecond })
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 30 { // longer than a lease
		<-tick.C
		if beat := n.beat(a.Attempt); len(beat.Drop) != 0 {
			t.Fatalf("drop: %v", beat.Drop)
		}
	}
	n.done(a)
	n.settled(a.Attempt)
	if job = w.job(job.ID); job.Attempt != 1 {
		t.Errorf("attempt %d, want 1", job.Attempt)
	}
}

func TestDroppedByHeartbeat(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	stranger := api.Attempt{Job: "nobody", Number: 3}
	if beat := n.beat(stranger); len(beat.Drop) != 1 || beat.Drop[0] != stranger {
		t.Errorf("drop: %v", beat.Drop)
	}
}

func TestResultThatDoesNotHold(t *testing.T) {
	for name, spoil := range map[string]func(*api.Receipt){
		"model":   func(r *api.Receipt) { r.Model = "other" },
		"node":    func(r *api.Receipt) { r.NodeID = "other" },
		"size":    func(r *api.Receipt) { r.Width++ },
		"seeds":   func(r *api.Receipt) { r.Seeds = nil },
		"digests": func(r *api.Receipt) { r.ImageDigests[0] = hashHex(nil) },
		"attempt": func(r *api.Receipt) { r.Number++ },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := w.node()
			job := w.submit(`{"prompt":"a red circle"}`)
			a := n.assigned()
			n.done(a, spoil)
			n.settled(a.Attempt)
			b := n.assigned()
			n.say(api.NodeMessage{Done: &api.Done{Attempt: b.Attempt, Receipt: api.Receipt{Attempt: b.Attempt}}}) // not signed
			n.settled(b.Attempt)
			if c := n.assigned(); c.Number != 3 || w.job(job.ID).State.Terminal() {
				t.Errorf("third: %+v", c.Attempt)
			}
		})
	}
}

func TestDoneWithoutAllImages(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle","n":2}`)
	for range maxTries {
		a := n.assigned()
		r := api.Receipt{Attempt: a.Attempt, NodeID: n.id}
		if err := r.Sign(n.key); err != nil {
			t.Fatal(err)
		}
		n.say(api.NodeMessage{Done: &api.Done{Attempt: a.Attempt, Receipt: r}})
		n.settled(a.Attempt)
	}
	if job = w.job(job.ID); job.State != api.StateFailed || job.Error.Code != api.CodeUploadFailed {
		t.Errorf("job: %s %v", job.State, job.Error)
	}
}
