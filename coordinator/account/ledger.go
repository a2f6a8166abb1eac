package coordinator

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
)

// A ledgerDay is what one key used on one day.
//
// A job is counted once, whatever ends in between. It is counted after its record is settled and before
// its place in the queue is removed, so every settled job that is still in the queue at a start is
// counted then. Whether it was counted before says Counted: it holds the jobs of which that is not
// plain from the queue yet.
type ledgerDay struct {
	api.Usage
	Counted []string `json:"counted,omitempty"`
}

// ledger is what every key used, day by day.
type ledger struct {
	bucket *bucket[ledgerDay]
	queue  *bucket[place]

	mu sync.Mutex // over reading a day and writing it
}

// dayOf is a day of the ledger; days are those of UTC.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// ledgerName is a key that a bucket takes.
func ledgerName(owner, day string) string { return hashHex([]byte(owner))[:32] + "." + day }

// count adds a settled job to its owner's day. A job that is counted already changes nothing.
func (l *ledger) count(ctx context.Context, r record) error {
	if r.Owner == "" { // older than owners
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	day := dayOf(r.Job.UpdatedAt)
	name := ledgerName(r.Owner, day)
	have, revision, err := l.bucket.load(ctx, name)
	if errors.Is(err, errMissing) {
		have, err = ledgerDay{Usage: api.Usage{Key: r.Owner, Day: day}}, nil
	}
	if err != nil || slices.Contains(have.Counted, r.Job.ID) {
		return err
	}
	left, err := l.inQueue(ctx, have.Counted)
	if err != nil {
		return err
	}
	have.Counted = append(left, r.Job.ID)
	have.Usage = plus(have.Usage, r)
	if revision == 0 {
		_, err = l.bucket.create(ctx, name, have)
	} else {
		_, err = l.bucket.update(ctx, name, have, revision)
	}
	if err != nil {
		return fmt.Errorf("count job: %w", err)
	}
	return nil
}

// inQueue returns those of the jobs that have a place in the queue. The others never come again.
func (l *ledger) inQueue(ctx context.Context, jobs []string) ([]string, error) {
	var left []string
	for _, id := range jobs {
		_, _, err := l.queue.load(ctx, id)
		if err == nil {
			left = append(left, id)
		} else if !errors.Is(err, errMissing) {
			return nil, err
		}
	}
	return left, nil
}

// plus adds what a settled job used.
func plus(u api.Usage, r record) api.Usage {
	u.Jobs++
	switch r.Job.State {
	case api.StateSucceeded:
		u.Succeeded++
		u.Images += len(r.Job.Images)
		u.MegapixelSteps += megapixelSteps(r.Job.Spec)
	case api.StateCanceled:
		u.Canceled++
	default:
		u.Failed++
	}
	return u
}

// megapixelSteps is the work of a job: steps * width * height / 2^20, summed over images, in the size
// they are made.
func megapixelSteps(s api.ImageSpec) float64 {
	return float64(s.EffectiveSteps()) * float64(s.Width) * float64(s.Height) / (1 << 20) * float64(s.N)
}

// day is what a key has used on a day.
func (l *ledger) day(ctx context.Context, owner, day string) (api.Usage, error) {
	have, _, err := l.bucket.load(ctx, ledgerName(owner, day))
	if errors.Is(err, errMissing) {
		return api.Usage{Key: owner, Day: day}, nil
	}
	return have.Usage, err
}

// list returns the days from one to another, both included, of one key or of all for "".
func (l *ledger) list(ctx context.Context, owner, from, to string) ([]api.Usage, error) {
	entries, err := l.bucket.all(ctx)
	if err != nil {
		return nil, err
	}
	list := []api.Usage{}
	for _, e := range entries {
		if u := e.value.Usage; (owner == "" || u.Key == owner) && u.Day >= from && u.Day <= to {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b api.Usage) int {
		return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Key, b.Key))
	})
	return list, nil
}
