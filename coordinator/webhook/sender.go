package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/outward"
)

// maxBody is the most bytes a report may have.
const maxBody = 1 << 20

// A Sender delivers what is in an outbox.
type Sender struct {
	outbox *Outbox
	jobs   *job.Jobs
	client *outward.Client
	signer Signer
	body   func(job.Record) ([]byte, error)
	log    *slog.Logger
}

// NewSender makes one. Body is the report on a settled job, as the client that named the address reads it.
func NewSender(o *Outbox, jobs *job.Jobs, signer Signer, body func(job.Record) ([]byte, error), log *slog.Logger) *Sender {
	return &Sender{o, jobs, o.client, signer, body, log}
}

// Run delivers until ctx ends, and ends when nothing is being sent any more.
func (s *Sender) Run(ctx context.Context) { s.outbox.line.run(ctx, s.deliver) }

// deliver sends a report once and notes what came of it.
func (s *Sender) deliver(ctx context.Context, d *delivery) {
	found, err := s.jobs.Find(ctx, d.job)
	if err == nil && found.Record.Job.Webhook != nil || err != nil && !job.StorageFailed(err) { // ended before, or the job is gone
		s.forget(ctx, d)
		return
	}
	if err == nil {
		err = s.send(ctx, found.Record)
	}
	if err != nil && ctx.Err() != nil {
		return // the next start goes on with it
	}
	now := time.Now().UTC()
	d.due.Tries++
	if err == nil {
		s.end(ctx, d, api.Delivery{State: api.DeliveryDelivered, Tries: d.due.Tries})
		return
	}
	d.due.Error = err.Error()
	d.due.Next = now.Add(pauses.After(d.due.Tries))
	if _, never := errors.AsType[hopeless](err); never || d.due.Next.Sub(d.due.Since) > giveUpAfter {
		s.end(ctx, d, api.Delivery{State: api.DeliveryGivenUp, Tries: d.due.Tries, Error: d.due.Error})
		return
	}
	if d.revision, err = s.outbox.records.Replace(ctx, d.job, d.due, d.revision); err != nil {
		s.log.Error("try of a webhook is not noted", "job", d.job, "error", err)
		_, d.revision, _ = s.outbox.records.Get(ctx, d.job)
	}
}

// hopeless is an error that no other try changes.
type hopeless struct{ error }

func (s *Sender) send(ctx context.Context, r job.Record) error {
	body, err := s.body(r)
	if err != nil {
		return hopeless{err}
	}
	if len(body) > maxBody {
		return hopeless{fmt.Errorf("a body of %d bytes, more than %d", len(body), maxBody)}
	}
	return s.client.Post(ctx, r.Webhook.URL, http.Header{
		"Content-Type":     {"application/json"},
		"Easel-Webhook-Id": {r.Job.ID},
		"Easel-Signature":  {s.signer.header(r.Owner, time.Now(), body)},
	}, body)
}

// end writes how it ended into the job's record and takes it off the list.
func (s *Sender) end(ctx context.Context, d *delivery, how api.Delivery) {
	if err := s.jobs.NoteDelivery(ctx, d.job, how); err != nil {
		s.log.Error("end of a webhook is not noted, it may be sent again", "job", d.job, "error", err)
		d.due.Next = time.Now().UTC().Add(pauses.After(d.due.Tries))
		return
	}
	s.log.Info("webhook ended", "job", d.job, "state", how.State, "tries", how.Tries, "error", how.Error)
	s.forget(ctx, d)
}

func (s *Sender) forget(ctx context.Context, d *delivery) {
	if err := s.outbox.forget(ctx, d); err != nil {
		s.log.Error("webhook that ended stays until the next start", "job", d.job, "error", err)
	}
}
