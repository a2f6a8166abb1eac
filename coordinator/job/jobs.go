package coordinator

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
)

// jobs owns the state of every job: the records, the queue and the images. Whatever wants to change
// a job does it through change. A job's record is written under that job's lock, so its events come
// in the order of its revisions; compare-and-set stays the guarantee below it.
type jobs struct {
	storage   *storage
	artifacts *artifacts
	events    *events
	leases    *leases
	log       *slog.Logger
	pace      pace
	wake      func() // a job can be placed that could not before
	// settled is told of every job that has just been settled, before it leaves the queue; after an
	// error it is told again at the next start.
	settled func(context.Context, record) error

	seed  maphash.Seed
	locks [64]sync.Mutex // by hash of the job's id

	mu   sync.Mutex
	open map[string]*openJob // those not settled
}

// An openJob is what is in memory of a job that is not settled. The record here is the last one
// written; it is replaced as a whole and never edited.
type openJob struct {
	record   record
	revision uint64
	order    uint64 // place in line
	progress *api.Progress
	shunned  map[string]time.Time // nodes that declined it, and until when they are not asked again
}

func newJobs(s *storage, a *artifacts, l *leases, log *slog.Logger, wake func()) *jobs {
	return &jobs{
		storage: s, artifacts: a, events: newEvents(), leases: l, log: log, wake: wake,
		settled: func(context.Context, record) error { return nil },
		seed:    maphash.MakeSeed(), open: map[string]*openJob{},
	}
}

func (j *jobs) lock(id string) (unlock func()) {
	m := &j.locks[maphash.String(j.seed, id)%uint64(len(j.locks))]
	m.Lock()
	return m.Unlock
}

// load fills the memory from the queue entries and repairs what a sudden end left between two
// writes: an entry of a settled job is deleted. Attempts under way keep their lease, so that their nodes can come back.
func (j *jobs) load(ctx context.Context) error {
	places, err := j.storage.queue.all(ctx)
	if err != nil {
		return err
	}
	for _, p := range places {
		r, revision, err := j.storage.jobs.load(ctx, p.key)
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
		if err != nil || r.Job.State.Terminal() {
			if err == nil {
				if err := j.settled(ctx, r); err != nil {
					return err
				}
			}
			j.log.Info("stale queue entry removed", "job", p.key)
			if err := j.storage.queue.remove(ctx, p.key, p.revision); err != nil {
				return err
			}
			r.Job.ID = p.key // also where there is no record
			j.tidy(r)
			continue
		}
		j.open[p.key] = &openJob{record: r, revision: revision, order: p.revision}
		if r.Job.State != api.StateQueued {
			j.leases.inherit(r.attempt(), r.Job.NodeID)
		}
	}
	if err := j.artifacts.sweepInputs(func(id string) bool { return j.open[id] != nil }); err != nil {
		j.log.Warn("pictures of settled jobs stay on disk", "error", err)
	}
	return nil
}

// change applies one transition of record.go to a job, durably: edit says errSame when there is
// nothing to write, errStale when the job has moved on. The record as it is now is returned too
// with those.
func (j *jobs) change(ctx context.Context, id string, edit func(*record) error) (record, error) {
	defer j.lock(id)()
	r, revision, err := j.storage.jobs.load(ctx, id)
	if errors.Is(err, errMissing) {
		return record{}, api.Errorf(api.CodeNotFound, "there is no job %s", api.Quote(id))
	}
	if err != nil {
		return record{}, err
	}
	j.catchUp(ctx, r, revision)
	before := r
	if err := edit(&r); err != nil {
		return before, err
	}
	r.Job.UpdatedAt = time.Now().UTC()
	if revision, err = j.storage.jobs.update(ctx, id, r, revision); err != nil {
		return before, err
	}
	j.changed(ctx, before, r, revision)
	return r, nil
}

// catchUp mends the memory when the store is ahead of it, as after a write whose answer did not come
// in time: what was written then is told now.
func (j *jobs) catchUp(ctx context.Context, r record, revision uint64) {
	j.mu.Lock()
	open := j.open[r.Job.ID]
	behind := open != nil && open.revision < revision
	var before record
	if behind {
		before = open.record
	}
	j.mu.Unlock()
	if behind {
		j.changed(ctx, before, r, revision)
	}
}

// changed brings the memory up to date after a write, tells the watchers, and cleans up after an
// attempt or a job that ended. What fails in cleaning up is repaired at the next start.
func (j *jobs) changed(ctx context.Context, before, r record, revision uint64) {
	order := j.publish(before, r, revision)
	if before.Job.State != r.Job.State {
		j.paced(r)
	}
	if r.Job.State.Terminal() && order != 0 {
		err := j.settled(ctx, r)
		if err == nil {
			err = j.storage.queue.remove(ctx, r.Job.ID, order)
		}
		if err != nil {
			j.log.Error("settled job stays in the queue until the next start", "job", r.Job.ID, "error", err)
		}
	}
	if len(r.Job.Images) < len(before.Job.Images) || r.Job.State.Terminal() {
		j.tidy(r)
	}
	if before.Job.State != r.Job.State && (r.Job.State == api.StateQueued || r.Job.State.Terminal()) {
		j.wake()
	}
}

// tidy deletes the images of every attempt that has not succeeded, and what a settled job was made from.
func (j *jobs) tidy(r record) {
	keep := r.attempt()
	if r.Job.State != api.StateSucceeded {
		keep.Number = 0
	}
	if err := j.artifacts.keepOnly(keep); err != nil {
		j.log.Warn("images of an ended attempt stay on disk", "job", r.Job.ID, "error", err)
	}
	if !r.Job.State.Terminal() {
		return
	}
	if err := j.artifacts.removeInputs(r.Job.ID); err != nil {
		j.log.Warn("pictures of a settled job stay on disk", "job", r.Job.ID, "error", err)
	}
}

// publish replaces the record in memory, tells the watchers and returns the job's place in line.
func (j *jobs) publish(before, r record, revision uint64) (order uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[r.Job.ID]
	if open != nil {
		order = open.order
		open.record, open.revision = r, revision
		if r.Job.State != api.StateRunning {
			open.progress = nil
		}
	}
	j.leases.follow(r)
	if before.Job.State != r.Job.State || before.Job.Attempt != r.Job.Attempt {
		job := view(r, open)
		j.events.publish(r.Job.ID, event{revision: revision, job: &job})
	}
	for _, image := range r.Job.Images {
		if !delivered(before.Job.Images, image) {
			j.events.publish(r.Job.ID, event{revision: revision, image: &image})
		}
	}
	if r.Job.State.Terminal() {
		delete(j.open, r.Job.ID)
	}
	return order
}

func delivered(images []api.Image, image api.Image) bool {
	for _, have := range images {
		if have.Index == image.Index && have.SHA256 == image.SHA256 {
			return true
		}
	}
	return false
}

// view is the job as clients see it.
func view(r record, open *openJob) api.Job {
	job := r.Job
	if job.Images == nil {
		job.Images = []api.Image{}
	}
	if open != nil && job.State == api.StateRunning {
		job.Progress = open.progress
	}
	if r.Webhook != nil && job.Webhook == nil {
		job.Webhook = &api.Delivery{State: api.DeliveryPending}
	}
	return job
}

// find returns a job and the revision it was read at.
func (j *jobs) find(ctx context.Context, id string) (record, api.Job, uint64, error) {
	j.mu.Lock()
	if open := j.open[id]; open != nil {
		defer j.mu.Unlock()
		return open.record, view(open.record, open), open.revision, nil
	}
	j.mu.Unlock()
	r, revision, err := j.storage.jobs.load(ctx, id)
	if errors.Is(err, errMissing) {
		return record{}, api.Job{}, 0, api.Errorf(api.CodeNotFound, "there is no job %s", api.Quote(id))
	}
	if err != nil {
		return record{}, api.Job{}, 0, fmt.Errorf("find job: %w", err)
	}
	return r, view(r, nil), revision, nil
}
