package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/outward"
)

const (
	maxPendingWebhooks = 1000    // of one key's, at the same time
	maxWebhookBody     = 1 << 20 // bytes
)

// A dueWebhook is the bucket's entry of a settled job whose webhook is not delivered yet.
//
//	              settle            2xx
//	(in the job) --------> pending -----> delivered
//	                        |   ^  \----> given up, after 24 h
//	                        |___| any other answer, or none
//
// Until the job is settled its record is all there is. The entry is written before the job's place in
// the queue is removed, so a sudden end in between is repaired as every settled job in the queue is. How
// it ended is written into the record before the entry is removed. So it is told at least once, and a
// start costs the pending ones only.
type dueWebhook struct {
	Owner string    `json:"owner"`
	URL   string    `json:"url"`
	Since time.Time `json:"since"` // the job is settled
	Tries int       `json:"tries"`
	Next  time.Time `json:"next"` // try
	Error string    `json:"error,omitempty"`
}

// webhooks tells the ends of jobs to the addresses that their requests named.
type webhooks struct {
	bucket *bucket[dueWebhook]
	jobs   *jobs
	client *outward.Client
	signer webhookSigner
	body   func(record) ([]byte, error)
	log    *slog.Logger
	line   *deliveries
}

// openWebhooks comes after the jobs are made and before they are loaded: jobs that were settled just
// before a sudden end are told then.
func (c *coordinator) openWebhooks(ctx context.Context) error {
	signer, err := loadWebhookSigner(c.config.Data)
	if err != nil {
		return err
	}
	c.webhooks = &webhooks{
		bucket: &c.storage.webhooks, jobs: c.jobs, client: c.outside, signer: signer,
		body: c.notification, log: c.log, line: newDeliveries(),
	}
	c.jobs.settled = c.webhooks.settled
	return c.webhooks.load(ctx)
}

// load brings back what was pending when the coordinator stopped.
func (h *webhooks) load(ctx context.Context) error {
	entries, err := h.bucket.all(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		h.line.add(&delivery{job: e.key, due: e.value, revision: e.revision})
	}
	return nil
}

// admit checks a webhook before its job is accepted.
func (h *webhooks) admit(owner string, hook *dialect.Webhook) error {
	if hook == nil {
		return nil
	}
	if err := h.client.Check(hook.URL); err != nil {
		return outward.Named(err, "webhook")
	}
	if h.line.pending(owner) >= maxPendingWebhooks {
		return &api.Error{
			Code:       api.CodeRateLimited,
			Message:    "webhook: " + strconv.Itoa(maxPendingWebhooks) + " webhooks of this key wait to be delivered, want fewer before another",
			RetryAfter: 60,
		}
	}
	return nil
}

// settled makes the webhook of a job that has just been settled due. It may be called twice.
func (h *webhooks) settled(ctx context.Context, r record) error {
	if r.Webhook == nil || r.Job.Webhook != nil {
		return nil
	}
	due := dueWebhook{Owner: r.Owner, URL: r.Webhook.URL, Since: r.Job.UpdatedAt, Next: r.Job.UpdatedAt}
	revision, err := h.bucket.create(ctx, r.Job.ID, due)
	if errors.Is(err, errExists) {
		due, revision, err = h.bucket.load(ctx, r.Job.ID)
	}
	if err != nil {
		return fmt.Errorf("note webhook: %w", err)
	}
	h.line.add(&delivery{job: r.Job.ID, due: due, revision: revision})
	return nil
}

// run delivers until ctx ends, and ends when nothing is being sent any more.
func (h *webhooks) run(ctx context.Context) { h.line.run(ctx, h.deliver) }

// deliver sends a webhook once and notes what came of it.
func (h *webhooks) deliver(ctx context.Context, d *delivery) {
	r, _, _, err := h.jobs.find(ctx, d.job)
	if err == nil && r.Job.Webhook != nil || err != nil && !isStorage(err) { // told before, or the job is gone
		h.forget(ctx, d)
		return
	}
	if err == nil {
		err = h.send(ctx, r)
	}
	if err != nil && ctx.Err() != nil {
		return // the next start goes on with it
	}
	now := time.Now().UTC()
	d.due.Tries++
	if err == nil {
		h.end(ctx, d, api.Delivery{State: api.DeliveryDelivered, Tries: d.due.Tries})
		return
	}
	d.due.Error = err.Error()
	d.due.Next = now.Add(webhookPause(d.due.Tries))
	if _, never := errors.AsType[hopeless](err); never || d.due.Next.Sub(d.due.Since) > webhookTime {
		h.end(ctx, d, api.Delivery{State: api.DeliveryGivenUp, Tries: d.due.Tries, Error: d.due.Error})
		return
	}
	if d.revision, err = h.bucket.update(ctx, d.job, d.due, d.revision); err != nil {
		h.log.Error("try of a webhook is not noted", "job", d.job, "error", err)
		_, d.revision, _ = h.bucket.load(ctx, d.job)
	}
}

// hopeless is an error that no other try changes.
type hopeless struct{ error }

func (h *webhooks) send(ctx context.Context, r record) error {
	body, err := h.body(r)
	if err != nil {
		return hopeless{err}
	}
	if len(body) > maxWebhookBody {
		return hopeless{fmt.Errorf("a body of %d bytes, more than %d", len(body), maxWebhookBody)}
	}
	return h.client.Post(ctx, r.Webhook.URL, http.Header{
		"Content-Type":     {"application/json"},
		"Easel-Webhook-Id": {r.Job.ID},
		"Easel-Signature":  {h.signer.header(r.Owner, time.Now(), body)},
	}, body)
}

// end writes how it ended into the job's record and takes it off the list.
func (h *webhooks) end(ctx context.Context, d *delivery, how api.Delivery) {
	if err := h.jobs.noteDelivery(ctx, d.job, how); err != nil {
		h.log.Error("end of a webhook is not noted, it may be sent again", "job", d.job, "error", err)
		d.due.Next = time.Now().UTC().Add(webhookPause(d.due.Tries))
		return
	}
	h.log.Info("webhook ended", "job", d.job, "state", how.State, "tries", how.Tries, "error", how.Error)
	h.forget(ctx, d)
}

func (h *webhooks) forget(ctx context.Context, d *delivery) {
	if err := h.bucket.remove(ctx, d.job, d.revision); err != nil {
		h.log.Error("webhook that ended stays until the next start", "job", d.job, "error", err)
	}
	d.ended = true
}

// noteDelivery writes how the webhook of a settled job ended. The job itself is as old as before: its
// links do not work longer for it.
func (j *jobs) noteDelivery(ctx context.Context, id string, how api.Delivery) error {
	defer j.lock(id)()
	r, revision, err := j.storage.jobs.load(ctx, id)
	if err != nil {
		return err
	}
	r.Job.Webhook = &how
	_, err = j.storage.jobs.update(ctx, id, r, revision)
	return err
}
