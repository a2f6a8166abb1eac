package job

import (
	"log/slog"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/store/storetest"
)

func sharedStore(t *testing.T) (*store.Store, *artifact.Store) {
	t.Helper()
	return storetest.Open(t), artifacttest.Open(t, "")
}

// openJobs opens a store's jobs, as at a start.
func openJobs(t *testing.T, s *store.Store, a *artifact.Store, observers ...Observer) *Jobs {
	t.Helper()
	queue, err := OpenQueue(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	j, err := Open(t.Context(), Options{
		Store: s, Queue: queue, Artifacts: a, Leases: NewLeases(time.Minute, time.Minute),
		Observers: observers, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}
