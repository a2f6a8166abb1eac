// Package jobtest makes jobs for tests, in a real store.
package jobtest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/store"
)

// Queue opens a store's queue.
func Queue(t testing.TB, s *store.Store) *job.Queue {
	t.Helper()
	queue, err := job.OpenQueue(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// Open opens a store's jobs, as at a start, with leases of a minute.
func Open(t testing.TB, s *store.Store, a *artifact.Store, observers ...job.Observer) *job.Jobs {
	t.Helper()
	j, err := job.Open(t.Context(), job.Options{
		Store: s, Queue: Queue(t, s), Artifacts: a, Leases: job.NewLeases(time.Minute, time.Minute),
		Observers: observers, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}
