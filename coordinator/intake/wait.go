package intake

import (
	"context"
	"errors"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/job"
)

// Wait implements dialect.Service.
func (s *Service) Wait(ctx context.Context, id string, watch func(dialect.Event) error) (api.Job, error) {
	settled, err := s.follow(ctx, id, watch)
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return settled, err
	}
	if errors.Is(err, context.Canceled) && !s.o.KeepAbandoned && !s.isStopping() {
		s.o.Log.Info("client went away, its job is canceled", "job", id)
		if err := s.CancelNative(context.WithoutCancel(ctx), id); err != nil {
			_ = s.public(err) // logged; nobody is there to read it
		}
	}
	return settled, err
}

func (s *Service) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// follow returns the job when it is settled, or why it could not be waited for.
func (s *Service) follow(ctx context.Context, id string, watch func(dialect.Event) error) (api.Job, error) {
	found, feed, err := s.o.Jobs.Follow(ctx, id)
	if err != nil {
		return api.Job{}, s.public(err)
	}
	defer feed.Stop()
	if watch == nil {
		watch = func(dialect.Event) error { return nil }
	}
	now := found.Job
	for i := range now.Images { // those that were there before
		if err := watch(dialect.Event{Image: &now.Images[i]}); err != nil {
			return now, err
		}
	}
	for !now.State.Terminal() {
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-s.stopping:
			return now, ErrStopping
		case <-feed.Ready():
		}
		for _, e := range feed.Take() {
			if e.Job != nil {
				now = *e.Job
				continue
			}
			if err := watch(shown(e)); err != nil {
				return now, err
			}
		}
	}
	return now, nil
}

// shown is the event as dialects see it.
func shown(e job.Event) dialect.Event {
	switch {
	case e.Image != nil:
		return dialect.Event{Image: e.Image}
	case e.Progress != nil:
		return dialect.Event{Progress: &e.Progress.Progress}
	case e.Preview != nil:
		return dialect.Event{Preview: &dialect.Preview{Image: e.Preview.Image, Step: e.Preview.Step, JPEG: e.Preview.JPEG}}
	}
	return dialect.Event{}
}
