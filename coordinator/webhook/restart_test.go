package webhook_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/store"
)

// buckets are those of a coordinator that does not run.
type buckets struct {
	store    *store.Store
	jobs     *store.Bucket[job.Record]
	webhooks *store.Bucket[map[string]any]
}

func openBuckets(t *testing.T, dir string) (b buckets) {
	t.Helper()
	var err error
	if b.store, err = store.Embedded(t.Context(), dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if b.jobs, err = store.Open[job.Record](t.Context(), b.store, "jobs", 0); err != nil {
		t.Fatal(err)
	}
	if b.webhooks, err = store.Open[map[string]any](t.Context(), b.store, "webhooks", 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// What a sudden end leaves in every gap between two writes.
func TestWebhooksOutliveSuddenEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave func(t *testing.T, b buckets, id string)
		sent  bool
	}{
		{"settled, and nothing noted", func(*testing.T, buckets, string) {}, true},
		{"settled and noted, still in the queue", func(t *testing.T, b buckets, id string) {
			if _, err := b.webhooks.Create(t.Context(), id, map[string]any{"since": time.Now(), "tries": 2}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"delivered, and still noted", func(t *testing.T, b buckets, id string) {
			_, _, err := b.jobs.Update(t.Context(), id, func(r *job.Record, _ uint64) error {
				r.Job.Webhook = &api.Delivery{State: api.DeliveryDelivered, Tries: 9}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.webhooks.Create(t.Context(), id, map[string]any{"since": time.Now(), "tries": 9}); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := coordtest.New(t, withWebhooks)
			r := newReceiver(t, always(200))
			submitted := begin(t, w, "/v1/begin", r.url, "a red circle")
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			b := openBuckets(t, w.Dir)
			if _, _, err := b.jobs.Update(t.Context(), submitted.ID, func(r *job.Record, _ uint64) error { return r.Cancel() }); err != nil {
				t.Fatal(err)
			}
			test.leave(t, b, submitted.ID)
			b.store.Close()
			w.Start(withWebhooks)
			if test.sent {
				ended(t, w, submitted.ID)
			}
			if end := w.Job(submitted.ID).Webhook; end.State != api.DeliveryDelivered {
				t.Errorf("in the end: %+v", end)
			}
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			if len(r.got) != map[bool]int{true: 1}[test.sent] {
				t.Errorf("sent %d times", len(r.got))
			}
		})
	}
}
