package coordinator

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// submit makes a job durable if its owner may have it.
func (c *coordinator) submit(ctx context.Context, s submission) (api.Job, error) {
	if err := c.webhooks.admit(s.owner, s.webhook); err != nil {
		return api.Job{}, err
	}
	limits := c.keys.limits(s.owner)
	if limits != (api.KeyLimits{}) {
		// One at a time of an owner, so that two do not both take the last that is left.
		defer c.admission.lock(s.owner)()
		s.admit = func() error { return c.within(ctx, limits, s) }
	}
	job, err := c.jobs.submit(ctx, s)
	if err == nil {
		c.log.Info("job accepted", "job", job.ID, "key", s.owner, "model", s.spec.Model, "steps", s.spec.Steps, "images", s.spec.N)
	}
	return job, err
}

// turns let those with the same name do something one after the other.
type turns struct {
	seed  maphash.Seed
	locks [64]sync.Mutex // by hash of the name
}

func (t *turns) lock(name string) (unlock func()) {
	m := &t.locks[maphash.String(t.seed, name)%uint64(len(t.locks))]
	m.Lock()
	return m.Unlock
}

// within says why a job would be more than its owner's limits.
func (c *coordinator) within(ctx context.Context, limits api.KeyLimits, s submission) error {
	open := c.jobs.of(s.owner)
	if most := limits.OpenJobs; most > 0 && open.Jobs >= most {
		_, eta := service{c}.Waiting(ctx)
		return &api.Error{
			Code: api.CodeRateLimited, RetryAfter: max(1, seconds(eta)),
			Message: fmt.Sprintf("too many jobs at once: this key may have %d that are not settled", most),
		}
	}
	if limits.ImagesPerDay == 0 && limits.MegapixelStepsPerDay == 0 {
		return nil
	}
	now := time.Now().UTC()
	used, err := c.ledger.day(ctx, s.owner, dayOf(now))
	if err != nil {
		return err
	}
	over := func(what string, most float64) error {
		return &api.Error{
			Code: api.CodeQuotaExceeded, RetryAfter: max(1, seconds(now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now))),
			Message: fmt.Sprintf("quota: this key may use %g %s a day (UTC), and this job would be more", most, what),
		}
	}
	if most := limits.ImagesPerDay; most > 0 && used.Images+open.Images+s.spec.N > most {
		return over("images", float64(most))
	}
	if most := limits.MegapixelStepsPerDay; most > 0 && used.MegapixelSteps+open.MegapixelSteps+megapixelSteps(s.spec) > most {
		return over("megapixel-steps", most)
	}
	return nil
}

// of sums up the jobs of an owner that are not settled.
func (j *jobs) of(owner string) api.Usage {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sum api.Usage
	for _, open := range j.open {
		if spec := open.record.Job.Spec; open.record.Owner == owner {
			sum.Jobs++
			sum.Images += spec.N
			sum.MegapixelSteps += megapixelSteps(spec)
		}
	}
	return sum
}
