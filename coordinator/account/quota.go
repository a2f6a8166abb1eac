package account

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
)

// Quotas are what keys may use.
type Quotas struct {
	keys   *Keys
	ledger *Ledger
	jobs   *job.Jobs

	seed  maphash.Seed
	locks [64]sync.Mutex // by hash of the owner
}

// NewQuotas are those of the keys, measured by the ledger and the open jobs.
func NewQuotas(keys *Keys, ledger *Ledger, jobs *job.Jobs) *Quotas {
	return &Quotas{keys: keys, ledger: ledger, jobs: jobs, seed: maphash.MakeSeed()}
}

// Submit makes a job durable if its owner's quotas allow it. Wait is when one that is refused for too many
// open jobs may come again.
func (q *Quotas) Submit(ctx context.Context, s job.Submission, wait func() time.Duration) (api.Job, error) {
	limits := q.keys.Limits(s.Owner)
	if limits != (api.KeyLimits{}) {
		// One at a time of an owner, so that two do not both take the last that is left.
		m := &q.locks[maphash.String(q.seed, s.Owner)%uint64(len(q.locks))]
		m.Lock()
		defer m.Unlock()
		s.Admit = func() error { return q.check(ctx, limits, s, wait) }
	}
	return q.jobs.Submit(ctx, s)
}

// check returns why a job would exceed its owner's limits.
func (q *Quotas) check(ctx context.Context, limits api.KeyLimits, s job.Submission, wait func() time.Duration) error {
	open := q.jobs.OpenOf(s.Owner)
	if most := limits.OpenJobs; most > 0 && open.Jobs >= most {
		return &api.Error{
			Code: api.CodeRateLimited, RetryAfter: max(1, Seconds(wait())),
			Message: fmt.Sprintf("too many jobs at once: this key may have %d that are not settled", most),
		}
	}
	if limits.ImagesPerDay == 0 && limits.MegapixelStepsPerDay == 0 {
		return nil
	}
	now := time.Now().UTC()
	used, err := q.ledger.Day(ctx, s.Owner, DayOf(now))
	if err != nil {
		return err
	}
	exceeded := func(what string, most float64) error {
		return &api.Error{
			Code: api.CodeQuotaExceeded, RetryAfter: max(1, Seconds(now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now))),
			Message: fmt.Sprintf("quota: this key may use %g %s a day (UTC), and this job would be more", most, what),
		}
	}
	if most := limits.ImagesPerDay; most > 0 && used.Images+open.Images+s.Spec.N > most {
		return exceeded("images", float64(most))
	}
	if most := limits.MegapixelStepsPerDay; most > 0 && used.MegapixelSteps+open.MegapixelSteps+s.Spec.MegapixelSteps() > most {
		return exceeded("megapixel-steps", most)
	}
	return nil
}

// Seconds rounds up, so that whoever waits for as long is not early.
func Seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
