package job

import (
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// A pace is how long jobs take: a mean in which each newer job counts for a fifth.
type pace struct {
	mu   sync.Mutex
	mean time.Duration // 0 until the first
}

// firstGuess is what a job is assumed to take before there was one.
const firstGuess = 5 * time.Second

// observe takes in how long a job took that has just succeeded.
func (p *pace) observe(r Record) {
	if r.Job.State != api.StateSucceeded || r.Job.Receipt == nil {
		return
	}
	took := time.Duration(r.Job.Receipt.Timings.Total * float64(time.Second))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mean == 0 {
		p.mean = took
	}
	p.mean += (took - p.mean) / 5
}

// Pace is how long jobs take at present.
func (j *Jobs) Pace() time.Duration {
	j.pace.mu.Lock()
	defer j.pace.mu.Unlock()
	if j.pace.mean == 0 {
		return firstGuess
	}
	return j.pace.mean
}
