package agent

import (
	"context"
	"time"
)

// lease watches how long ago the coordinator was last heard. Once that is longer than the lease
// length, what runs here has been given to another node, and expired is called, once until renewed.
type lease struct {
	heard   chan time.Duration
	expired func()
}

func newLease(expired func()) *lease {
	return &lease{heard: make(chan time.Duration), expired: expired}
}

// renew starts the lease anew, for this long: the coordinator was heard just now.
func (l *lease) renew(ctx context.Context, length time.Duration) {
	select {
	case l.heard <- length:
	case <-ctx.Done():
	}
}

// run watches until ctx ends. Before the first renewal there is nothing to lose.
func (l *lease) run(ctx context.Context) {
	var timeout <-chan time.Time
	for {
		select {
		case length := <-l.heard:
			timeout = time.After(length)
		case <-timeout:
			timeout = nil
			l.expired()
		case <-ctx.Done():
			return
		}
	}
}
