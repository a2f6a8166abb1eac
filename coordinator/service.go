package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// service is what dialects see of the coordinator.
type service struct{ c *coordinator }

// told makes every error one that a client may read. What is not for it is logged here, once.
func (s service) told(err error) error {
	if err == nil {
		return nil
	}
	if isStorage(err) {
		s.c.log.Error("request of a dialect failed", "error", err)
		return errStorage
	}
	return api.AsError(err, api.CodeInternal)
}

// Caller implements dialect.Service.
func (s service) Caller(_ context.Context, key string) (dialect.Caller, error) {
	who, err := s.c.keys.caller(key, time.Now())
	if err != nil {
		return dialect.Caller{}, err
	}
	return dialect.Caller{
		Name: who.Name, Dialect: who.Dialect, Admin: who.Role == roleAdmin, PromptSettings: who.PromptSettings,
	}, nil
}

// Models implements dialect.Service.
func (s service) Models(_ context.Context, name string) []dialect.Model {
	return s.c.offers(name)
}

// Model implements dialect.Service.
func (s service) Model(_ context.Context, dialect, name string) (dialect.Model, error) {
	return s.c.offer(dialect, name)
}

// Submit implements dialect.Service.
func (s service) Submit(ctx context.Context, who dialect.Caller, r dialect.Request) (api.Job, error) {
	spec, err := s.plan(&r)
	if err != nil {
		return api.Job{}, s.told(err)
	}
	order := submission{
		spec: spec, asked: r.Model, pictures: [][]byte{r.Job.InitImage, r.Job.MaskImage},
		owner: who.Name, dialect: r.Dialect, alias: r.Alias, webhook: r.Webhook, base: baseOf(ctx),
	}
	if order.key, err = replayOf(who.Name, r); err != nil {
		return api.Job{}, s.told(err)
	}
	job, err := s.c.submit(ctx, order)
	return job, s.told(err)
}

// plan finds the request's model, once, and makes the spec of its job. The job is left as the dialect
// wants it, so that a repeated request is known by what was asked.
func (s service) plan(r *dialect.Request) (api.ImageSpec, error) {
	found, err := s.c.choose(r.Dialect, r.Model)
	if err == nil && r.Fit != nil {
		err = s.fit(found, r)
	}
	if err != nil {
		return api.ImageSpec{}, err
	}
	spec, err := s.c.planFor(found, r.Job, randomSeed())
	if job, ok := r.Resized(err); ok {
		return s.c.planFor(found, job, randomSeed())
	}
	return spec, err
}

func (s service) fit(found offered, r *dialect.Request) error {
	model, err := s.c.shown(found)
	if err != nil {
		return err
	}
	return r.Fit(model, &r.Job)
}

// Find implements dialect.Service.
func (s service) Find(ctx context.Context, who dialect.Caller, dialect, id string) (api.Job, error) {
	name, err := s.c.jobs.unalias(ctx, dialect, id)
	if err != nil {
		return api.Job{}, s.told(err)
	}
	r, job, _, err := s.c.jobs.find(ctx, cmp.Or(name, id))
	if err == nil && !mayUse(who.Name, who.Admin, r) {
		err = errNoJob(id)
	}
	if err != nil {
		return api.Job{}, s.told(err)
	}
	return job, nil
}

// Cancel implements dialect.Service.
func (s service) Cancel(ctx context.Context, who dialect.Caller, id string) error {
	r, _, _, err := s.c.jobs.find(ctx, id)
	if err == nil && !mayUse(who.Name, who.Admin, r) {
		err = errNoJob(id)
	}
	if err == nil {
		err = s.c.cancel(ctx, id)
	}
	return s.told(err)
}

// CancelQueued implements dialect.Service.
func (s service) CancelQueued(ctx context.Context, who dialect.Caller) (int, error) {
	n := 0
	for _, id := range s.c.jobs.queued(who.Name) {
		job, err := s.c.cancelQueued(ctx, id)
		if err != nil {
			return n, s.told(err)
		}
		if job {
			n++
		}
	}
	return n, nil
}

// Open implements dialect.Service.
func (s service) Open(ctx context.Context, id string, index int) (io.ReadCloser, api.Image, error) {
	r, job, _, err := s.c.jobs.find(ctx, id)
	if err != nil {
		return nil, api.Image{}, s.told(err)
	}
	i := slices.IndexFunc(job.Images, func(image api.Image) bool { return image.Index == index })
	if i < 0 {
		return nil, api.Image{}, api.Errorf(api.CodeNotFound, "this job has no image %d", index)
	}
	file, err := s.c.artifacts.open(r.attempt(), index, job.Images[i].SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, api.Image{}, api.Errorf(api.CodeNotFound, "image %d of this job is no longer kept", index)
	}
	if err != nil {
		return nil, api.Image{}, s.told(fmt.Errorf("open image: %w", err))
	}
	return file, job.Images[i], nil
}

// URL implements dialect.Service.
func (s service) URL(r *http.Request, job api.Job, index int) string {
	return s.c.base(r) + s.c.signer.path(job, index, s.c.config.LinkValid)
}

// mayUse reports whether somebody may see and cancel a job: whoever submitted it, and admins.
func mayUse(name string, admin bool, r record) bool { return admin || name == r.Owner }

func errNoJob(id string) error {
	return api.Errorf(api.CodeNotFound, "there is no job %s", api.Quote(id))
}
