package coordinator

import (
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// leases holds each node's time-limited right to its attempts. They are in memory only: after a
// restart every attempt under way gets a whole new one, which its node has time to renew.
type leases struct {
	accept time.Duration // how long a node may take to answer an assignment
	length time.Duration // how long an attempt lives without a heartbeat that names it

	mu    sync.Mutex
	byJob map[string]*lease
}

// A lease ends at a time of the coordinator's own clock; no node's clock matters.
type lease struct {
	attempt  api.Attempt
	node     string
	accepted bool
	until    time.Time
}

func newLeases(accept, length time.Duration) *leases {
	return &leases{accept: accept, length: length, byJob: map[string]*lease{}}
}

// follow brings the leases in line with a job's record. It is the only way they come and go.
func (l *leases) follow(r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.byJob[r.Job.ID]
	switch r.Job.State {
	case api.StateAssigned:
		if have == nil || have.attempt != r.attempt() {
			l.byJob[r.Job.ID] = &lease{r.attempt(), r.Job.NodeID, false, time.Now().Add(l.accept)}
		}
	case api.StateRunning:
		if have == nil || have.attempt != r.attempt() || !have.accepted {
			l.byJob[r.Job.ID] = &lease{r.attempt(), r.Job.NodeID, true, time.Now().Add(l.length)}
		}
	default:
		delete(l.byJob, r.Job.ID)
	}
}

// inherit gives a lease to an attempt that was under way when the coordinator stopped. A third of a
// lease is added to it, for nodes that reconnect late because they waited longer between tries.
func (l *leases) inherit(a api.Attempt, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byJob[a.Job] = &lease{a, node, true, time.Now().Add(l.length + l.length/3)}
}

// renew prolongs a lease because a heartbeat named its attempt. An assignment that has not been
// accepted is not renewed: the answer to it is still due.
func (l *leases) renew(a api.Attempt, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.byJob[a.Job]; have != nil && have.attempt == a && have.node == node && have.accepted {
		have.until = time.Now().Add(l.length)
	}
}

// extend gives every accepted lease a whole length from now.
func (l *leases) extend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, have := range l.byJob {
		if have.accepted {
			have.until = time.Now().Add(l.length)
		}
	}
}

// expired returns the leases that are over and leaves them: they go with the record's change.
func (l *leases) expired() []lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var over []lease
	for _, have := range l.byJob {
		if !time.Now().Before(have.until) {
			over = append(over, *have)
		}
	}
	return over
}

// next returns when the next lease ends, at most most from now.
func (l *leases) next(most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, have := range l.byJob {
		most = min(most, time.Until(have.until))
	}
	return max(most, 0)
}

// nodes returns the nodes that hold a lease.
func (l *leases) nodes() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	holders := map[string]bool{}
	for _, have := range l.byJob {
		holders[have.node] = true
	}
	return holders
}
