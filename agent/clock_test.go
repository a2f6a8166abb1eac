package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffStaysUnderItsCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{base: 500 * time.Millisecond, limit: 30 * time.Second}
		for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			if got := b.ceiling(); got != want {
				t.Errorf("failure %d: ceiling %s, want %s", i, got, want)
			}
			began := time.Now()
			b.wait(t.Context())
			if took := time.Since(began); took > want {
				t.Errorf("failure %d: waited %s, want at most %s", i, took, want)
			}
		}
		b.reset()
		began := time.Now()
		b.waitFull(t.Context())
		if took := time.Since(began); took != b.base {
			t.Errorf("after reset: waited %s, want %s", took, b.base)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		b.waitFull(ctx)
		if time.Since(began) != 0 {
			t.Error("a wait goes on after its context ended")
		}
	})
}

func TestLeaseExpiresOnceAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var expired []time.Duration
		began := time.Now()
		l := newLease(func() { expired = append(expired, time.Since(began)) })
		go l.run(ctx)
		sleep(ctx, time.Hour)
		if len(expired) > 0 {
			t.Error("a lease that never began expired")
		}
		began = time.Now()
		for range 4 {
			l.renew(ctx, 30*time.Second)
			sleep(ctx, 20*time.Second)
		}
		sleep(ctx, time.Hour)
		synctest.Wait()
		if len(expired) != 1 || expired[0] != 90*time.Second {
			t.Errorf("expired at %v, want once at 1m30s: a lease after the last beat", expired)
		}
		cancel()
	})
}
