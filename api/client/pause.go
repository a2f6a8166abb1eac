package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause waits half a second, more or less, so that many clients do not come back at once.
func pause(ctx context.Context) error {
	timer := time.NewTimer(250*time.Millisecond + rand.N(500*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
