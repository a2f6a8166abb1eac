// Package webhook reports the ends of jobs to the addresses that their requests named: at least once, signed,
// until it is delivered or given up. It owns the reports that are due, and how often they are tried.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/outward"
	"github.com/easelgrid/easel/coordinator/store"
)

// maxPending is how many reports of one key may be due at the same time.
const maxPending = 1000

// A due is the bucket's entry of a settled job whose webhook is not delivered yet.
//
//	              settle            2xx
//	(in the job) --------> pending -----> delivered
//	                        |   ^  \----> given up, after 24 h
//	                        |___| any other answer, or none
//
// Until the job is settled its record is all there is. The entry is written before the job's place in
// the queue is removed, so a sudden end in between is repaired as every settled job in the queue is. How
// it ended is written into the record before the entry is removed. So it is delivered at least once, and a
// start costs the pending ones only.
type due struct {
	Owner string    `json:"owner"`
	URL   string    `json:"url"`
	Since time.Time `json:"since"` // the job is settled
	Tries int       `json:"tries"`
	Next  time.Time `json:"next"` // try
	Error string    `json:"error,omitempty"`
}

// An Outbox holds the reports that are due. It observes settled jobs.
type Outbox struct {
	records *store.Bucket[due]
	client  *outward.Client
	line    *line
}

// OpenOutbox brings back what was due when the coordinator stopped. The client decides which addresses are
// allowed.
func OpenOutbox(ctx context.Context, s *store.Store, client *outward.Client) (*Outbox, error) {
	records, err := store.Open[due](ctx, s, "webhooks", 0)
	if err != nil {
		return nil, err
	}
	entries, err := records.All(ctx)
	if err != nil {
		return nil, err
	}
	o := &Outbox{records, client, newLine()}
	for _, e := range entries {
		o.line.add(&delivery{job: e.Key, due: e.Value, revision: e.Revision})
	}
	return o, nil
}

// Admit checks a webhook before its job is accepted.
func (o *Outbox) Admit(owner string, hook *api.Webhook) error {
	if hook == nil {
		return nil
	}
	if err := o.client.Check(hook.URL); err != nil {
		return outward.Named(err, "webhook")
	}
	if o.line.pending(owner) >= maxPending {
		return &api.Error{
			Code:       api.CodeRateLimited,
			Message:    "webhook: " + strconv.Itoa(maxPending) + " webhooks of this key wait to be delivered, want fewer before another",
			RetryAfter: 60,
		}
	}
	return nil
}

// JobSettled makes the webhook of a job due that has just been settled. It may be called twice.
func (o *Outbox) JobSettled(ctx context.Context, r job.Record) error {
	if r.Webhook == nil || r.Job.Webhook != nil {
		return nil
	}
	entry := due{Owner: r.Owner, URL: r.Webhook.URL, Since: r.Job.UpdatedAt, Next: r.Job.UpdatedAt}
	revision, err := o.records.Create(ctx, r.Job.ID, entry)
	if errors.Is(err, store.ErrExists) {
		entry, revision, err = o.records.Get(ctx, r.Job.ID)
	}
	if err != nil {
		return fmt.Errorf("note webhook: %w", err)
	}
	o.line.add(&delivery{job: r.Job.ID, due: entry, revision: revision})
	return nil
}

// forget takes a report that ended off the list.
func (o *Outbox) forget(ctx context.Context, d *delivery) error {
	d.ended = true
	return o.records.Delete(ctx, d.job, d.revision)
}
