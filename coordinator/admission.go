package coordinator

import (
	"context"

	"github.com/easelgrid/easel/api"
)

// submit makes a job durable if its owner may have it.
func (c *coordinator) submit(ctx context.Context, s submission) (api.Job, error) {
	if err := c.webhooks.admit(s.owner, s.webhook); err != nil {
		return api.Job{}, err
	}
	job, err := c.jobs.submit(ctx, s)
	if err == nil {
		c.log.Info("job accepted", "job", job.ID, "key", s.owner, "model", s.spec.Model, "steps", s.spec.Steps, "images", s.spec.N)
	}
	return job, err
}
