// Package job owns jobs: their records, which are a state machine, their places in the queue, the leases of
// their attempts, and the events that watchers see. Whatever changes a job does it through [Jobs.Change] or
// one of the calls made of it, and whoever has to act on a job that was settled is an [Observer].
package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/store"
)

// Jobs owns the state of every job. A job's record is written under that job's lock, so its events come in
// the order of its revisions; compare-and-set stays the guarantee below it.
type Jobs struct {
	records   *store.Bucket[Record]
	keys      *store.Bucket[reservation]
	aliases   *store.Bucket[alias]
	queue     *Queue
	artifacts *artifact.Store
	leases    *Leases
	observers []Observer
	log       *slog.Logger
	events    *events
	pace      pace
	ready     chan struct{} // holds a token when a job may be placeable that was not before

	seed  maphash.Seed
	locks [64]sync.Mutex // by hash of the job's id

	mu   sync.Mutex
	open map[string]*openJob // those not settled
}

// An Observer is notified of every job that has just been settled, before the job leaves the queue. After
// an error it is notified again at the next start, so it may see a job twice.
type Observer interface {
	JobSettled(ctx context.Context, r Record) error
}

// An openJob is what is in memory of a job that is not settled. The record here is the last one
// written; it is replaced as a whole and never edited.
type openJob struct {
	record   Record
	revision uint64
	order    uint64 // place in the queue
	progress *api.Progress
	shunned  map[string]time.Time // nodes that declined it, and until when they are not asked again
}

// Options are what jobs need.
type Options struct {
	Store     *store.Store
	Queue     *Queue
	Artifacts *artifact.Store
	Leases    *Leases
	Observers []Observer
	Log       *slog.Logger
}

// Open brings back the jobs that are not settled and repairs what a sudden end left between two writes.
func Open(ctx context.Context, o Options) (*Jobs, error) {
	j := &Jobs{
		queue: o.Queue, artifacts: o.Artifacts, leases: o.Leases, observers: o.Observers, log: o.Log,
		events: newEvents(), ready: make(chan struct{}, 1), seed: maphash.MakeSeed(), open: map[string]*openJob{},
	}
	var problems [3]error
	j.records, problems[0] = store.Open[Record](ctx, o.Store, "jobs", 0)
	j.keys, problems[1] = store.Open[reservation](ctx, o.Store, "idempotency", idempotencyKept)
	j.aliases, problems[2] = store.Open[alias](ctx, o.Store, "aliases", 0)
	if err := cmp.Or(problems[:]...); err != nil {
		return nil, err
	}
	return j, j.load(ctx)
}

// load fills the memory from the queue. An entry whose job is settled, or was never recorded, is what a
// sudden end left: it is removed. Attempts under way keep their leases, so that their nodes can come back.
func (j *Jobs) load(ctx context.Context) error {
	places, err := j.queue.all(ctx)
	if err != nil {
		return err
	}
	for _, p := range places {
		r, revision, err := j.records.Get(ctx, p.Key)
		if err != nil && !errors.Is(err, store.ErrMissing) {
			return err
		}
		if err != nil || r.Job.State.Terminal() {
			if err := j.leaveStale(ctx, p, r, err == nil); err != nil {
				return err
			}
			continue
		}
		j.open[p.Key] = &openJob{record: r, revision: revision, order: p.Revision}
		if r.Job.State != api.StateQueued {
			j.leases.Inherit(r.Attempt(), r.Job.NodeID)
		}
	}
	if err := j.artifacts.SweepInputs(func(id string) bool { return j.open[id] != nil }); err != nil {
		j.log.Warn("pictures of settled jobs stay on disk", "error", err)
	}
	return nil
}

// leaveStale removes a queue entry that no open job has, after notifying the observers of a settled one.
func (j *Jobs) leaveStale(ctx context.Context, p store.Entry[place], r Record, recorded bool) error {
	if recorded {
		if err := j.notify(ctx, r); err != nil {
			return err
		}
	}
	j.log.Info("stale queue entry removed", "job", p.Key)
	if err := j.queue.leave(ctx, p.Key, p.Revision); err != nil {
		return err
	}
	r.Job.ID = p.Key // also where there is no record
	j.tidy(r)
	return nil
}

// Ready holds a token when a job may be placeable that was not before.
func (j *Jobs) Ready() <-chan struct{} { return j.ready }

func (j *Jobs) wake() {
	select {
	case j.ready <- struct{}{}:
	default:
	}
}

func (j *Jobs) lock(id string) (unlock func()) {
	m := &j.locks[maphash.String(j.seed, id)%uint64(len(j.locks))]
	m.Lock()
	return m.Unlock
}

// ErrNoJob answers questions about a job that does not exist.
func ErrNoJob(id string) error {
	return api.Errorf(api.CodeNotFound, "there is no job %s", api.Quote(id))
}

// StorageFailed reports whether an error is a failure of ours and not an answer to the caller.
func StorageFailed(err error) bool {
	if err == nil || errors.Is(err, ErrStale) || errors.Is(err, ErrUnchanged) {
		return false
	}
	_, answered := errors.AsType[*api.Error](err)
	return !answered
}

// Change applies one transition of a [Record] to a job, durably. Edit returns ErrUnchanged when there is
// nothing to write and ErrStale when the job has moved on; Change returns the record as it is now with
// those too. Edit may be called again when another writer was faster.
func (j *Jobs) Change(ctx context.Context, id string, edit func(*Record) error) (Record, error) {
	defer j.lock(id)()
	var before Record
	r, revision, err := j.records.Update(ctx, id, func(r *Record, revision uint64) error {
		j.catchUp(ctx, *r, revision)
		before = *r
		if err := edit(r); err != nil {
			return err
		}
		r.Job.UpdatedAt = time.Now().UTC()
		return nil
	})
	if errors.Is(err, store.ErrMissing) {
		return Record{}, ErrNoJob(id)
	}
	if err != nil {
		return r, err
	}
	j.changed(ctx, before, r, revision)
	return r, nil
}

// catchUp mends the memory when the store is ahead of it, as after a write whose answer did not come
// in time: what was written then is published now.
func (j *Jobs) catchUp(ctx context.Context, r Record, revision uint64) {
	j.mu.Lock()
	open := j.open[r.Job.ID]
	behind := open != nil && open.revision < revision
	var before Record
	if behind {
		before = open.record
	}
	j.mu.Unlock()
	if behind {
		j.changed(ctx, before, r, revision)
	}
}

// changed brings the memory up to date after a write, notifies watchers and observers, and cleans up after
// an attempt or a job that ended. What fails in cleaning up is repaired at the next start.
func (j *Jobs) changed(ctx context.Context, before, r Record, revision uint64) {
	order := j.publish(before, r, revision)
	if before.Job.State != r.Job.State {
		j.pace.observe(r)
	}
	if r.Job.State.Terminal() && order != 0 {
		err := j.notify(ctx, r)
		if err == nil {
			err = j.queue.leave(ctx, r.Job.ID, order)
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

func (j *Jobs) notify(ctx context.Context, r Record) error {
	var problems error
	for _, o := range j.observers {
		problems = errors.Join(problems, o.JobSettled(ctx, r))
	}
	return problems
}

// tidy deletes the images of every attempt that has not succeeded, and what a settled job was made from.
func (j *Jobs) tidy(r Record) {
	keep := r.Attempt()
	if r.Job.State != api.StateSucceeded {
		keep.Number = 0
	}
	if err := j.artifacts.KeepOnly(keep); err != nil {
		j.log.Warn("images of an ended attempt stay on disk", "job", r.Job.ID, "error", err)
	}
	if !r.Job.State.Terminal() {
		return
	}
	if err := j.artifacts.RemoveInputs(r.Job.ID); err != nil {
		j.log.Warn("pictures of a settled job stay on disk", "job", r.Job.ID, "error", err)
	}
}

// publish replaces the record in memory, notifies the watchers and returns the job's place in the queue.
func (j *Jobs) publish(before, r Record, revision uint64) (order uint64) {
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
		j.events.publish(r.Job.ID, Event{revision: revision, Job: &job})
	}
	for _, image := range r.Job.Images {
		if !before.Delivered(image) {
			j.events.publish(r.Job.ID, Event{revision: revision, Image: &image})
		}
	}
	if r.Job.State.Terminal() {
		delete(j.open, r.Job.ID)
	}
	return order
}

// A Snapshot is a job at one moment.
type Snapshot struct {
	Record   Record
	Job      api.Job // as clients see it
	revision uint64
}

// Find returns a job as it is now.
func (j *Jobs) Find(ctx context.Context, id string) (Snapshot, error) {
	j.mu.Lock()
	if open := j.open[id]; open != nil {
		defer j.mu.Unlock()
		return Snapshot{open.record, view(open.record, open), open.revision}, nil
	}
	j.mu.Unlock()
	r, revision, err := j.records.Get(ctx, id)
	if errors.Is(err, store.ErrMissing) {
		return Snapshot{}, ErrNoJob(id)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("find job: %w", err)
	}
	return Snapshot{r, view(r, nil), revision}, nil
}

// View is the job as clients see it, without progress.
func (r *Record) View() api.Job { return view(*r, nil) }

func view(r Record, open *openJob) api.Job {
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
