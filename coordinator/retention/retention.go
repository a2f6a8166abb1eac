package coordinator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// sweepEvery is how often what is over is looked for.
const sweepEvery = time.Hour

// A sweeper deletes what is kept no longer: images a while after their job was settled, records of jobs
// a longer while after it, uploaded pictures when their links end. Nothing is written down for it:
// names of jobs and pictures begin with their time, and a bucket is in the order of its last writes, so
// a sweep looks at what is over and at the first that is not. A job that is not settled is left alone.
type sweeper struct {
	jobs      *jobs
	artifacts *artifacts
	log       *slog.Logger
	images    time.Duration // less than 0 is for ever
	records   time.Duration // the same
}

func (c *coordinator) sweeper() *sweeper {
	return &sweeper{
		jobs: c.jobs, artifacts: c.artifacts, log: c.log, images: c.config.KeepImages, records: c.config.KeepRecords,
	}
}

// swept counts what one sweep deleted.
type swept struct{ images, records, pictures int } // images by job

// run sweeps now and every hour until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		n, err := s.sweep(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			s.log.Warn("what is over stays until the next sweep", "error", err)
		}
		if n != (swept{}) {
			s.log.Info("swept", "jobs_without_images", n.images, "records", n.records, "pictures", n.pictures)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *sweeper) sweep(ctx context.Context, now time.Time) (n swept, err error) {
	return n, errors.Join(s.sweepImages(ctx, now, &n), s.sweepRecords(ctx, now, &n), s.sweepAliases(ctx, now), s.sweepKept(ctx, now, &n))
}

// sweepImages goes through the jobs that have images, the oldest first.
func (s *sweeper) sweepImages(ctx context.Context, now time.Time, n *swept) error {
	if s.images < 0 {
		return nil
	}
	var problems error
	for id, err := range s.artifacts.blobs.list(".") {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return errors.Join(problems, fmt.Errorf("sweep images: %w", err))
		}
		made, ok := timeOf(id)
		if !ok {
			continue // not a job's
		}
		if now.Before(made.Add(s.images)) {
			break // and so are all that come
		}
		over, err := s.over(ctx, id, s.images, now)
		if err == nil && over {
			if err = s.artifacts.keepOnly(api.Attempt{Job: id}); err == nil {
				n.images++
			}
		}
		problems = errors.Join(problems, err)
	}
	return problems
}

// over reports whether the job is settled for that long, or is no more.
func (s *sweeper) over(ctx context.Context, id string, kept time.Duration, now time.Time) (bool, error) {
	r, _, err := s.jobs.storage.jobs.load(ctx, id)
	if errors.Is(err, errMissing) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return r.Job.State.Terminal() && !now.Before(r.Job.UpdatedAt.Add(kept)), nil
}

// sweepRecords goes through the records in the order of their last change.
func (s *sweeper) sweepRecords(ctx context.Context, now time.Time, n *swept) error {
	if s.records < 0 {
		return nil
	}
	var problems error
	for e, err := range s.jobs.storage.jobs.oldest(ctx) {
		if err != nil {
			return errors.Join(problems, fmt.Errorf("sweep records: %w", err))
		}
		job := e.value.Job
		if now.Before(job.UpdatedAt.Add(s.records)) {
			break
		}
		if !job.State.Terminal() {
			continue
		}
		if err := s.forget(ctx, job.ID, e.revision); err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		n.records++
	}
	return problems
}

// forget deletes a job's images and then its record. A record that changed meanwhile stays.
func (s *sweeper) forget(ctx context.Context, id string, revision uint64) error {
	defer s.jobs.lock(id)()
	if err := errors.Join(s.artifacts.keepOnly(api.Attempt{Job: id}), s.artifacts.removeInputs(id)); err != nil {
		return err
	}
	return s.jobs.storage.jobs.remove(ctx, id, revision)
}

// sweepKept goes through everybody's uploaded pictures, the first to end first.
func (s *sweeper) sweepKept(ctx context.Context, now time.Time, n *swept) error {
	var problems error
	for owner, err := range s.artifacts.blobs.list("pictures") {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return errors.Join(problems, fmt.Errorf("sweep pictures: %w", err))
		}
		for when, err := range s.artifacts.blobs.list(path.Join("pictures", owner)) {
			id, _, _ := strings.Cut(when, ".") // a file that is being written ends in .part
			until, ok := timeOf(id)
			if err == nil && ok && now.Before(until) {
				break
			}
			if err == nil {
				err = s.artifacts.blobs.remove(keptName(owner, when))
			}
			if err != nil {
				problems = errors.Join(problems, err)
				continue
			}
			n.pictures++
		}
	}
	return problems
}

// timeOf is the time in an id that newJobID made.
func timeOf(id string) (time.Time, bool) {
	b, err := idLetters.DecodeString(id)
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)))), true
}

// imageGone says why an image that a record names is not there.
func (c *coordinator) imageGone(job api.Job, index int) *api.Error {
	if !job.State.Terminal() {
		return api.Errorf(api.CodeNotFound, "image %d went with its attempt, another is made", index)
	}
	return api.Errorf(api.CodeNotFound, "image %d was kept until %s", index,
		job.UpdatedAt.Add(c.config.KeepImages).UTC().Format(time.RFC3339))
}
