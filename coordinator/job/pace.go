package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// A pace is how long jobs take: a mean in which each newer job counts for a fifth.
type pace struct {
	mu   sync.Mutex
	mean time.Duration // 0 until the first
}

// firstGuess is what a job is thought to take before there was one.
const firstGuess = 5 * time.Second

func (p *pace) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mean == 0 {
		p.mean = took
	}
	p.mean += (took - p.mean) / 5
}

func (p *pace) now() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mean == 0 {
		return firstGuess
	}
	return p.mean
}

// Waiting implements dialect.Service. The estimate is that all slots work off the line at the pace of
// the last jobs.
func (s service) Waiting(context.Context) (queued int, eta time.Duration) {
	busy, slots := 0, 0
	for _, attempts := range s.c.jobs.busy() {
		busy += len(attempts)
	}
	for _, node := range s.c.nodes.candidates(nil) {
		if node.connected && !node.draining && !node.revoked {
			slots += node.slots
		}
	}
	queued = len(s.c.jobs.waiting(time.Now()))
	rounds := 1 + (queued+busy)/max(slots, 1)
	return queued, time.Duration(rounds) * s.c.jobs.pace.now()
}

// paced notes how long a job took that has just succeeded.
func (j *jobs) paced(r record) {
	if r.Job.State == api.StateSucceeded && r.Job.Receipt != nil {
		j.pace.note(time.Duration(r.Job.Receipt.Timings.Total * float64(time.Second)))
	}
}
