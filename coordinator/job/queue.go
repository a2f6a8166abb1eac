package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/easelgrid/easel/coordinator/store"
)

// A Queue is the durable queue: one entry per job that is not settled, in the order of their revisions.
//
// It is a bucket of open jobs and not a work-queue stream. Acknowledgements of a stream are not fenced: one
// that comes after a redelivery still deletes the message, so a record with compare-and-set is needed
// anyway, and then two things would hold the truth. Here the record is the truth, the entry means only that
// the job is not settled yet and where it stands, the queue in memory is rebuilt from both, and a start
// costs the open jobs and not the history.
type Queue struct{ places *store.Bucket[place] }

// A place is a job's queue entry; its revision is the job's place.
type place struct {
	Since time.Time `json:"since"`
}

// OpenQueue opens the queue of a store.
func OpenQueue(ctx context.Context, s *store.Store) (*Queue, error) {
	places, err := store.Open[place](ctx, s, "queue", 0)
	return &Queue{places}, err
}

// Has reports whether a job has a place.
func (q *Queue) Has(ctx context.Context, job string) (bool, error) {
	_, _, err := q.places.Get(ctx, job)
	if errors.Is(err, store.ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// enter gives a job its place, or finds the one it has.
func (q *Queue) enter(ctx context.Context, job string, since time.Time) (order uint64, err error) {
	order, err = q.places.Create(ctx, job, place{since})
	if errors.Is(err, store.ErrExists) { // of a request that gave up waiting for the answer
		_, order, err = q.places.Get(ctx, job)
	}
	if err != nil {
		return 0, fmt.Errorf("queue job: %w", err)
	}
	return order, nil
}

func (q *Queue) leave(ctx context.Context, job string, order uint64) error {
	return q.places.Delete(ctx, job, order)
}

func (q *Queue) all(ctx context.Context) ([]store.Entry[place], error) { return q.places.All(ctx) }
