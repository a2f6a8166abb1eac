package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeaseExpiresOnceAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var expired []time.Duration
		began := time.Now()
		l := newLease(func() { expired = append(expired, time.Since(began)) })
		go l.run(ctx)
		time.Sleep(time.Hour)
		if len(expired) > 0 {
			t.Error("a lease that never began expired")
		}
		began = time.Now()
		for range 4 {
			l.renew(ctx, 30*time.Second)
			time.Sleep(20 * time.Second)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(expired) != 1 || expired[0] != 90*time.Second {
			t.Errorf("expired at %v, want once at 1m30s: a lease after the last beat", expired)
		}
		cancel()
	})
}
