// Package retention deletes what is kept no longer: images a while after their job was settled, records of
// jobs a longer while after it, uploaded pictures when their links expire.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/internal/ident"
)

// Every is how often a sweep is made.
const Every = time.Hour

// A Sweeper needs no lists of its own: names of jobs and pictures begin with their time, and a bucket is in
// the order of its last writes, so a sweep looks at what has expired and at the first that has not. A job
// that is not settled is left alone.
type Sweeper struct {
	Jobs      *job.Jobs
	Artifacts *artifact.Store
	Uploads   artifact.Uploads
	Log       *slog.Logger
	Images    time.Duration // how long images are kept after their job was settled; less than 0 is for ever
	Records   time.Duration // the same of records
}

// Swept counts what one sweep deleted.
type Swept struct{ Images, Records, Pictures int } // Images by job

// Run sweeps now and every hour until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		n, err := s.Sweep(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("what has expired stays until the next sweep", "error", err)
		}
		if n != (Swept{}) {
			s.Log.Info("swept", "jobs_without_images", n.Images, "records", n.Records, "pictures", n.Pictures)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep deletes what has expired by then. It goes on after an error.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) (n Swept, err error) {
	errImages := s.sweepImages(ctx, now, &n)
	errRecords := s.sweepRecords(ctx, now, &n)
	var errPictures error
	n.Pictures, errPictures = s.Uploads.Sweep(ctx, now)
	return n, errors.Join(errImages, errRecords, errPictures)
}

// sweepImages goes through the jobs that have images, the oldest first.
func (s *Sweeper) sweepImages(ctx context.Context, now time.Time, n *Swept) error {
	if s.Images < 0 {
		return nil
	}
	var problems error
	for id, err := range s.Artifacts.Jobs() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return errors.Join(problems, fmt.Errorf("sweep images: %w", err))
		}
		if made, _ := ident.TimeOf(id); now.Before(made.Add(s.Images)) {
			break // and so are all that come
		}
		since, settled, err := s.Jobs.SettledSince(ctx, id)
		if err == nil && settled && !now.Before(since.Add(s.Images)) {
			if err = s.Artifacts.KeepOnly(api.Attempt{Job: id}); err == nil {
				n.Images++
			}
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

// sweepRecords goes through the records in the order of their last change, then through the other ids of
// jobs.
func (s *Sweeper) sweepRecords(ctx context.Context, now time.Time, n *Swept) error {
	if s.Records < 0 {
		return nil
	}
	var problems error
	for settled, err := range s.Jobs.SettledLongest(ctx) {
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("sweep records: %w", err))
			break
		}
		if now.Before(settled.At.Add(s.Records)) {
			break
		}
		if err := s.Jobs.Forget(ctx, settled); err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		n.Records++
	}
	return errors.Join(problems, s.Jobs.SweepAliases(ctx, now.Add(-s.Records)))
}
