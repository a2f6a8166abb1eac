package agent

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff counts failures and says how long to wait after each.
type backoff struct {
	base, limit time.Duration
	failures    int
}

// ceiling is the longest wait after the failures so far: base, doubled by each, at most limit.
func (b *backoff) ceiling() time.Duration {
	d := b.base
	for range b.failures {
		if d *= 2; d >= b.limit {
			return b.limit
		}
	}
	return d
}

// wait sleeps a random part of the ceiling ("full jitter"), so that nodes that lost one coordinator
// at the same moment do not come back at the same moment. It returns early when ctx ends.
func (b *backoff) wait(ctx context.Context) {
	sleep(ctx, rand.N(b.ceiling()))
	b.failures++
}

// waitFull sleeps the whole ceiling: for a local thing nobody else competes for.
func (b *backoff) waitFull(ctx context.Context) {
	sleep(ctx, b.ceiling())
	b.failures++
}

func (b *backoff) reset() { b.failures = 0 }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
