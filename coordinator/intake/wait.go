package coordinator

import (
	"context"
	"errors"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// Wait implements dialect.Service.
func (s service) Wait(ctx context.Context, id string, watch func(dialect.Event) error) (api.Job, error) {
	job, err := s.follow(ctx, id, watch)
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return job, err
	}
	if errors.Is(err, context.Canceled) && !s.c.config.KeepAbandoned && s.c.stopping.Err() == nil {
		s.c.log.Info("client went away, its job is canceled", "job", id)
		if err := s.c.cancel(context.WithoutCancel(ctx), id); err != nil {
			_ = s.told(err) // logged; nobody is there to read it
		}
	}
	return job, err
}

// follow returns the job when it is settled, or why it could not be waited for.
func (s service) follow(ctx context.Context, id string, watch func(dialect.Event) error) (api.Job, error) {
	feed, stop := s.c.jobs.events.watch(id) // before the job is read, so that nothing is missed between
	defer stop()
	_, job, revision, err := s.c.jobs.find(ctx, id)
	if err != nil {
		return api.Job{}, s.told(err)
	}
	tell := func(e dialect.Event) error {
		if watch == nil {
			return nil
		}
		return watch(e)
	}
	for i := range job.Images { // those that were there before
		if err := tell(dialect.Event{Image: &job.Images[i]}); err != nil {
			return job, err
		}
	}
	for !job.State.Terminal() {
		select {
		case <-ctx.Done():
			return job, ctx.Err()
		case <-s.c.stopping.Done():
			return job, errStopping
		case <-feed.ready:
		}
		for _, e := range feed.take() {
			if !e.droppable() && e.revision <= revision {
				continue
			}
			if e.job != nil {
				job = *e.job
				continue
			}
			if err := tell(e.public()); err != nil {
				return job, err
			}
		}
	}
	return job, nil
}

// public is the event as dialects see it.
func (e event) public() dialect.Event {
	switch {
	case e.image != nil:
		return dialect.Event{Image: e.image}
	case e.progress != nil:
		return dialect.Event{Progress: &e.progress.Progress}
	case e.preview != nil:
		return dialect.Event{Preview: &dialect.Preview{Image: e.preview.Image, Step: e.preview.Step, JPEG: e.preview.JPEG}}
	}
	return dialect.Event{}
}
