package job

import (
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// Leases hold each node's time-limited right to its attempts. They are in memory only: after a
// restart every attempt under way gets a whole new one, which its node has time to renew.
type Leases struct {
	Accept time.Duration // how long a node may take to answer an assignment
	Length time.Duration // how long an attempt lives without a heartbeat that names it

	mu    sync.Mutex
	byJob map[string]*Lease
}

// A Lease ends at a time of the coordinator's own clock; no node's clock matters.
type Lease struct {
	Attempt  api.Attempt
	Node     string
	Accepted bool // the node has answered the assignment
	until    time.Time
}

// NewLeases makes leases of those lengths; see [Leases].
func NewLeases(accept, length time.Duration) *Leases {
	return &Leases{Accept: accept, Length: length, byJob: map[string]*Lease{}}
}

// follow brings the Leases in line with a job's record. It is the only way they come and go.
func (l *Leases) follow(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.byJob[r.Job.ID]
	switch r.Job.State {
	case api.StateAssigned:
		if have == nil || have.Attempt != r.Attempt() {
			l.byJob[r.Job.ID] = &Lease{r.Attempt(), r.Job.NodeID, false, time.Now().Add(l.Accept)}
		}
	case api.StateRunning:
		if have == nil || have.Attempt != r.Attempt() || !have.Accepted {
			l.byJob[r.Job.ID] = &Lease{r.Attempt(), r.Job.NodeID, true, time.Now().Add(l.Length)}
		}
	default:
		delete(l.byJob, r.Job.ID)
	}
}

// Inherit gives a lease to an attempt that was under way when the coordinator stopped. A third of a
// lease is added to it, for nodes that reconnect late because they waited longer between tries.
func (l *Leases) Inherit(a api.Attempt, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byJob[a.Job] = &Lease{a, node, true, time.Now().Add(l.Length + l.Length/3)}
}

// Renew prolongs a lease because a heartbeat named its attempt. An assignment that has not been
// accepted is not renewed: the answer to it is still due.
func (l *Leases) Renew(a api.Attempt, node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.byJob[a.Job]; have != nil && have.Attempt == a && have.Node == node && have.Accepted {
		have.until = time.Now().Add(l.Length)
	}
}

// Extend gives every accepted lease a whole length from now.
func (l *Leases) Extend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, have := range l.byJob {
		if have.Accepted {
			have.until = time.Now().Add(l.Length)
		}
	}
}

// Expired returns the Leases that are over and leaves them: they go with the record's change.
func (l *Leases) Expired() []Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var expired []Lease
	for _, have := range l.byJob {
		if !time.Now().Before(have.until) {
			expired = append(expired, *have)
		}
	}
	return expired
}

// Next returns when the next lease ends, at most most from now.
func (l *Leases) Next(most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, have := range l.byJob {
		most = min(most, time.Until(have.until))
	}
	return max(most, 0)
}

// Nodes returns the nodes that hold a lease.
func (l *Leases) Nodes() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	holders := map[string]bool{}
	for _, have := range l.byJob {
		holders[have.Node] = true
	}
	return holders
}
