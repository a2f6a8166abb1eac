package job

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/api"
)

func running(job, node string, number int) Record {
	return Record{Job: api.Job{ID: job, State: api.StateRunning, NodeID: node, Attempt: number}}
}

func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLeases(5*time.Second, 15*time.Second)
		r := running("a", "n", 1)
		r.Job.State = api.StateAssigned
		l.follow(r)
		l.Renew(r.Attempt(), "n") // the answer to the assignment is still due
		time.Sleep(5*time.Second - time.Nanosecond)
		if got := l.Expired(); len(got) != 0 {
			t.Errorf("before 5 s: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := l.Expired(); len(got) != 1 || got[0].Accepted {
			t.Errorf("after 5 s: %+v", got)
		}
		r.Job.State = api.StateRunning
		l.follow(r)
		for range 10 {
			time.Sleep(14 * time.Second)
			l.Renew(r.Attempt(), "n")
			l.Renew(api.Attempt{Job: "a", Number: 2}, "n")
		}
		if got := l.Next(time.Hour); got != 15*time.Second {
			t.Errorf("next end in %s", got)
		}
		time.Sleep(14 * time.Second)
		l.Renew(r.Attempt(), "another")
		l.follow(r) // more progress is no heartbeat
		time.Sleep(time.Second)
		if got := l.Expired(); len(got) != 1 || !got[0].Accepted {
			t.Errorf("after 15 s of silence: %+v", got)
		}
		r.Job.State = api.StateQueued
		l.follow(r)
		if got := l.Expired(); len(got) != 0 {
			t.Errorf("after the attempt was lost: %+v", got)
		}
	})
}

func TestInheritedLeaseIsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLeases(5*time.Second, 15*time.Second)
		l.Inherit(api.Attempt{Job: "a", Number: 1}, "n")
		time.Sleep(20*time.Second - time.Nanosecond)
		if got := l.Expired(); len(got) != 0 {
			t.Errorf("within 20 s: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := l.Expired(); len(got) != 1 {
			t.Errorf("after 20 s: %+v", got)
		}
	})
}
