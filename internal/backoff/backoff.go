// Package backoff owns how long to wait before something that failed is tried again: twice as long
// after each failure in a row, up to a limit, and shorter by chance so that what failed together does
// not come back together.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Policy is a rule for waits. The zero Jitter waits for the whole time, as is right for a local
// thing that nobody else competes for; a Jitter of 1 waits for any part of it.
type Policy struct {
	Base   time.Duration // the wait after the first failure
	Limit  time.Duration // the longest wait
	Jitter float64       // the share of a wait, 0 to 1, by which chance makes it shorter at most
}

// Longest is the longest wait after that many failures in a row: Base after one, doubled by each
// more, at most Limit. It is 0 after none.
func (p Policy) Longest(failures int) time.Duration {
	if failures < 1 {
		return 0
	}
	wait := p.Base
	for range failures - 1 {
		if wait > p.Limit/2 {
			return p.Limit
		}
		wait *= 2
	}
	return min(wait, p.Limit)
}

// After is the wait after that many failures in a row, chance included.
func (p Policy) After(failures int) time.Duration {
	wait := p.Longest(failures)
	return wait - rand.N(time.Duration(float64(wait)*p.Jitter)+1)
}

// A Backoff counts failures in a row and waits by its Policy. It belongs to one goroutine.
type Backoff struct {
	Policy
	failures int
}

// Wait counts one more failure and waits. It returns early when ctx ends.
func (b *Backoff) Wait(ctx context.Context) {
	b.failures++
	timer := time.NewTimer(b.After(b.failures))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Failures is how many there were since the start or the last Reset.
func (b *Backoff) Failures() int { return b.failures }

// Next is the longest that the next Wait can take.
func (b *Backoff) Next() time.Duration { return b.Longest(b.failures + 1) }

// Reset forgets the failures, after a success.
func (b *Backoff) Reset() { b.failures = 0 }
