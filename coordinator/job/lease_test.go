package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
)

func running(job, node string, number int) record {
	return record{Job: api.Job{ID: job, State: api.StateRunning, NodeID: node, Attempt: number}}
}

func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(5*time.Second, 15*time.Second)
		r := running("a", "n", 1)
		r.Job.State = api.StateAssigned
		l.follow(r)
		l.renew(r.attempt(), "n") // the answer to the assignment is still due
		time.Sleep(5*time.Second - time.Nanosecond)
		if got := l.expired(); len(got) != 0 {
			t.Errorf("before 5 s: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := l.expired(); len(got) != 1 || got[0].accepted {
			t.Errorf("after 5 s: %+v", got)
		}
		r.Job.State = api.StateRunning
		l.follow(r)
		for range 10 {
			time.Sleep(14 * time.Second)
			l.renew(r.attempt(), "n")
			l.renew(api.Attempt{Job: "a", Number: 2}, "n")
		}
		if got := l.next(time.Hour); got != 15*time.Second {
			t.Errorf("next end in %s", got)
		}
		time.Sleep(14 * time.Second)
		l.renew(r.attempt(), "another")
		l.follow(r) // more progress is no heartbeat
		time.Sleep(time.Second)
		if got := l.expired(); len(got) != 1 || !got[0].accepted {
			t.Errorf("after 15 s of silence: %+v", got)
		}
		r.Job.State = api.StateQueued
		l.follow(r)
		if got := l.expired(); len(got) != 0 {
			t.Errorf("after the attempt was lost: %+v", got)
		}
	})
}

func TestInheritedLeaseIsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(5*time.Second, 15*time.Second)
		l.inherit(api.Attempt{Job: "a", Number: 1}, "n")
		time.Sleep(20*time.Second - time.Nanosecond)
		if got := l.expired(); len(got) != 0 {
			t.Errorf("within 20 s: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := l.expired(); len(got) != 1 {
			t.Errorf("after 20 s: %+v", got)
		}
	})
}

// Three of four nodes fall silent together: nothing is taken from them for one more lease, then it is.
func TestManySilentNodesArePardonedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dispatcher{leases: newLeases(5*time.Second, 15*time.Second), log: discard}
		d.nodes = &nodes{known: map[string]*node{}, wake: func() {}}
		var sessions []*session
		for _, id := range []string{"a", "b", "c", "d"} {
			s := newSession(id, nil)
			sessions = append(sessions, s)
			d.nodes.known[id] = &node{session: s, heard: time.Now()}
		}
		ended := func() (n int) {
			for _, s := range sessions {
				select {
				case <-s.ended:
					n++
				default:
				}
			}
			return n
		}
		d.leases.inherit(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(14 * time.Second)
		d.nodes.heartbeat(sessions[3], api.Heartbeat{})
		time.Sleep(6 * time.Second) // the lease of j is over now
		d.sweep(t.Context())
		if ended() != 0 || len(d.leases.expired()) != 0 {
			t.Fatalf("%d sessions ended and %d leases at the first sweep", ended(), len(d.leases.expired()))
		}
		d.nodes.heartbeat(sessions[3], api.Heartbeat{})
		d.nodes.heartbeat(sessions[0], api.Heartbeat{Held: []api.Attempt{{Job: "j", Number: 1}}})
		d.leases.renew(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(14 * time.Second)
		d.nodes.heartbeat(sessions[3], api.Heartbeat{})
		d.nodes.heartbeat(sessions[0], api.Heartbeat{})
		time.Sleep(900 * time.Millisecond)
		d.leases.renew(api.Attempt{Job: "j", Number: 1}, "a")
		time.Sleep(100 * time.Millisecond)
		d.sweep(t.Context())
		if ended() != 2 {
			t.Errorf("%d sessions ended after the second lease, want those of b and c", ended())
		}
	})
}

func TestSuspectOurselves(t *testing.T) {
	for _, c := range []struct {
		silent, all int
		want        bool
	}{{0, 0, false}, {1, 1, false}, {2, 2, false}, {1, 3, false}, {2, 3, true}, {2, 4, false}, {3, 4, true}} {
		if got := suspectOurselves(c.silent, c.all); got != c.want {
			t.Errorf("%d of %d: %v", c.silent, c.all, got)
		}
	}
}

func TestNodeThatDoesNotReadLosesItsSession(t *testing.T) {
	s := newSession("n", nil)
	for range outboxSize {
		if !s.send(api.CoordinatorMessage{}) {
			t.Fatal("not queued")
		}
	}
	if s.send(api.CoordinatorMessage{}) {
		t.Error("queued over the limit")
	}
	<-s.ended
}
