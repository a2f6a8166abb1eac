package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/internal/ident"
)

// A day is what one key used on one day.
//
// A job is counted once, whatever ends in between. It is counted after its record is settled and before
// its place in the queue is removed, so every settled job that is still in the queue at a start is
// counted then. Whether it was counted before is in Counted: it holds the jobs of which that is not
// plain from the queue yet.
type day struct {
	api.Usage
	Counted []string `json:"counted,omitempty"`
}

// A Ledger is what every key used, day by day. It observes settled jobs.
type Ledger struct {
	days  *store.Bucket[day]
	queue *job.Queue

	// Held while a job is counted. Many jobs may settle at once, and counting one takes a while, so most of
	// them would lose the compare-and-set of their day to others again and again.
	mu sync.Mutex
}

// OpenLedger opens the ledger of a store; the queue is the one that settled jobs leave.
func OpenLedger(ctx context.Context, s *store.Store, queue *job.Queue) (*Ledger, error) {
	days, err := store.Open[day](ctx, s, "ledger", 0)
	return &Ledger{days: days, queue: queue}, err
}

// DayOf is a day of the ledger, such as "2026-11-21"; days are those of UTC.
func DayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// dayKey is a key that a bucket takes.
func dayKey(owner, day string) string { return ident.Digest([]byte(owner))[:32] + "." + day }

// JobSettled adds a settled job to its owner's day. A job that is counted already changes nothing.
func (l *Ledger) JobSettled(ctx context.Context, r job.Record) error {
	if r.Owner == "" { // older than owners
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	on := DayOf(r.Job.UpdatedAt)
	_, _, err := l.days.Upsert(ctx, dayKey(r.Owner, on), func(d *day, revision uint64) error {
		if slices.Contains(d.Counted, r.Job.ID) {
			return errCounted
		}
		left, err := l.inQueue(ctx, d.Counted)
		if err != nil {
			return err
		}
		if revision == 0 {
			d.Usage = api.Usage{Key: r.Owner, Day: on}
		}
		d.Counted, d.Usage = append(left, r.Job.ID), plus(d.Usage, r)
		return nil
	})
	if err != nil && !errors.Is(err, errCounted) {
		return fmt.Errorf("count job: %w", err)
	}
	return nil
}

var errCounted = errors.New("the job is counted already")

// inQueue returns those of the jobs that have a place in the queue. The others never come again.
func (l *Ledger) inQueue(ctx context.Context, jobs []string) ([]string, error) {
	var left []string
	for _, id := range jobs {
		queued, err := l.queue.Has(ctx, id)
		if err != nil {
			return nil, err
		}
		if queued {
			left = append(left, id)
		}
	}
	return left, nil
}

// plus adds what a settled job used.
func plus(u api.Usage, r job.Record) api.Usage {
	u.Jobs++
	switch r.Job.State {
	case api.StateSucceeded:
		u.Succeeded++
		u.Images += len(r.Job.Images)
		u.MegapixelSteps += r.Job.Spec.MegapixelSteps()
	case api.StateCanceled:
		u.Canceled++
	default:
		u.Failed++
	}
	return u
}

// Day is what a key has used on a day.
func (l *Ledger) Day(ctx context.Context, owner, on string) (api.Usage, error) {
	have, _, err := l.days.Get(ctx, dayKey(owner, on))
	if errors.Is(err, store.ErrMissing) {
		return api.Usage{Key: owner, Day: on}, nil
	}
	return have.Usage, err
}

// List returns the days from one to another, both included, of one key or of all for "".
func (l *Ledger) List(ctx context.Context, owner, from, to string) ([]api.Usage, error) {
	entries, err := l.days.All(ctx)
	if err != nil {
		return nil, err
	}
	list := []api.Usage{}
	for _, e := range entries {
		if u := e.Value.Usage; (owner == "" || u.Key == owner) && u.Day >= from && u.Day <= to {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b api.Usage) int {
		return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Key, b.Key))
	})
	return list, nil
}
