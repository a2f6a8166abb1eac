package backoff_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/internal/backoff"
)

func TestLongest(t *testing.T) {
	for _, test := range []struct {
		name        string
		base, limit time.Duration
		failures    int
		want        time.Duration
	}{
		{"no failure", time.Second, time.Minute, 0, 0},
		{"the first", time.Second, time.Minute, 1, time.Second},
		{"the second", time.Second, time.Minute, 2, 2 * time.Second},
		{"the sixth", time.Second, time.Minute, 6, 32 * time.Second},
		{"the limit", time.Second, time.Minute, 7, time.Minute},
		{"far behind it", time.Second, time.Minute, math.MaxInt, time.Minute},
		{"a limit that is a power", time.Second, 32 * time.Second, 6, 32 * time.Second},
		{"a base above the limit", time.Hour, time.Minute, 1, time.Minute},
		{"no overflow", time.Second, math.MaxInt64, 1000, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (backoff.Policy{Base: test.base, Limit: test.limit}).Longest(test.failures); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestAfter(t *testing.T) {
	for _, test := range []struct {
		name     string
		jitter   float64
		shortest time.Duration // that may come
		spread   time.Duration // that 1,000 waits have at least
	}{
		{"no jitter", 0, 8 * time.Second, 0},
		{"a quarter", 0.25, 6 * time.Second, time.Second},
		{"full jitter", 1, 0, 4 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := backoff.Policy{Base: time.Second, Limit: time.Minute, Jitter: test.jitter}
			least, most := time.Hour, time.Duration(0)
			for range 1000 {
				wait := p.After(4)
				least, most = min(least, wait), max(most, wait)
			}
			if least < test.shortest || most > 8*time.Second || most-least < test.spread {
				t.Errorf("waits from %v to %v", least, most)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff.Backoff{Policy: backoff.Policy{Base: 500 * time.Millisecond, Limit: 30 * time.Second}}
		for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			if b.Next() != want || b.Failures() != i {
				t.Errorf("before wait %d: next %v after %d failures", i, b.Next(), b.Failures())
			}
			start := time.Now()
			if b.Wait(t.Context()); time.Since(start) != want {
				t.Errorf("wait %d took %v, want %v", i, time.Since(start), want)
			}
		}
		b.Reset()
		if b.Next() != 500*time.Millisecond || b.Failures() != 0 {
			t.Errorf("after a reset: next %v after %d failures", b.Next(), b.Failures())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		if b.Wait(ctx); time.Since(start) != time.Millisecond {
			t.Errorf("with a context that ends: %v", time.Since(start))
		}
	})
}
