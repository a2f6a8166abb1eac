// Package intake is the door for requests: what dialects and the native API are given to submit, find, follow
// and cancel jobs, and to read and keep pictures. It owns the order in which a request is planned and admitted,
// and which errors a client may read.
package intake

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/offer"
	"github.com/easelgrid/easel/coordinator/outward"
	"github.com/easelgrid/easel/coordinator/webhook"
)

var _ dialect.Service = (*Service)(nil)

// A Service is what dialects see of the coordinator.
type Service struct {
	o        Options
	stopping <-chan struct{}
}

// Options are what intake needs.
type Options struct {
	Keys      *account.Keys
	Quotas    *account.Quotas
	Jobs      *job.Jobs
	Fleet     *fleet.Fleet
	Offers    *offer.Offers
	Artifacts *artifact.Store
	Links     artifact.Links
	Uploads   artifact.Uploads
	Outbox    *webhook.Outbox
	Outside   *outward.Client
	Log       *slog.Logger

	PublicURL     string // begins links; "" begins them as the client's request did
	KeepAbandoned bool   // a job goes on whose client hung up while it waited
}

// New makes a service that answers requests until stopping is closed.
func New(stopping <-chan struct{}, o Options) *Service { return &Service{o, stopping} }

// ErrStorage is what clients read of a failure of storage.
var ErrStorage = &api.Error{Code: api.CodeUnavailable, Message: "the coordinator cannot store or read this now, try again"}

// ErrStopping is what clients read while the coordinator stops.
var ErrStopping = &api.Error{Code: api.CodeUnavailable, Message: "the coordinator is stopping"}

// public makes every error one that a client may read. What is not for it is logged here, once.
func (s *Service) public(err error) error {
	if err == nil {
		return nil
	}
	if job.StorageFailed(err) {
		s.o.Log.Error("request of a dialect failed", "error", err)
		return ErrStorage
	}
	return api.AsError(err, api.CodeInternal)
}

// Caller implements dialect.Service. A key that was looked up on the way here is not looked up again.
func (s *Service) Caller(ctx context.Context, key string) (dialect.Caller, error) {
	found, err := s.key(ctx, key)
	if err != nil {
		return dialect.Caller{}, err
	}
	who, err := found.Admit(time.Now())
	if err != nil {
		return dialect.Caller{}, err
	}
	return dialect.Caller{
		Name: who.Name, Dialect: who.Dialect, Admin: who.Admin(), PromptSettings: who.PromptSettings,
	}, nil
}

// Models implements dialect.Service.
func (s *Service) Models(_ context.Context, dialectName string) []dialect.Model {
	return s.o.Offers.Models(dialectName)
}

// Model implements dialect.Service.
func (s *Service) Model(_ context.Context, dialectName, name string) (dialect.Model, error) {
	choice, err := s.o.Offers.Choose(dialectName, name)
	if err != nil {
		return dialect.Model{}, err
	}
	return choice.Model(), nil
}

// Submit implements dialect.Service.
func (s *Service) Submit(ctx context.Context, who dialect.Caller, r dialect.Request) (api.Job, error) {
	spec, err := s.plan(&r)
	if err != nil {
		return api.Job{}, s.public(err)
	}
	order := job.Submission{
		Spec: spec, Asked: r.Model, Pictures: [][]byte{r.Job.InitImage, r.Job.MaskImage},
		Owner: who.Name, Dialect: r.Dialect, Alias: r.Alias, Webhook: r.Webhook, Base: baseOf(ctx),
	}
	if order.Key, err = idempotencyKey(who.Name, r); err != nil {
		return api.Job{}, s.public(err)
	}
	submitted, err := s.admit(ctx, order)
	return submitted, s.public(err)
}

// plan finds the request's model, once, and makes the spec of its job. The request is left as the dialect
// wants it, so that a repeated one is known by what was asked.
func (s *Service) plan(r *dialect.Request) (api.ImageSpec, error) {
	choice, err := s.o.Offers.Choose(r.Dialect, r.Model)
	if err == nil && r.Fit != nil {
		err = r.Fit(choice.Model(), &r.Job)
	}
	if err != nil {
		return api.ImageSpec{}, err
	}
	spec, err := choice.Plan(r.Job, randomSeed())
	if resized, ok := r.Resized(err); ok {
		return choice.Plan(resized, randomSeed())
	}
	return spec, err
}

// idempotencyKey is the key of a dialect's request. Its alias is not part of what is asked: the vendor's
// clients did not choose it, and a repeated request comes with another.
func idempotencyKey(owner string, r dialect.Request) (*job.IdempotencyKey, error) {
	if r.IdempotencyKey == "" {
		return nil, nil
	}
	return job.NewIdempotencyKey(owner, r.Dialect, r.IdempotencyKey, struct {
		Model   string
		Job     api.JobRequest
		Webhook *api.Webhook
	}{r.Model, r.Job, r.Webhook})
}

// SubmitNative is Submit of the native API, whose errors are not made public yet. Key may be nil.
func (s *Service) SubmitNative(ctx context.Context, owner string, r api.JobRequest, key *job.IdempotencyKey) (api.Job, error) {
	choice, err := s.o.Offers.Choose("", r.Model)
	if err != nil {
		return api.Job{}, err
	}
	spec, err := choice.Plan(r, randomSeed())
	if err != nil {
		return api.Job{}, err
	}
	return s.admit(ctx, job.Submission{Spec: spec, Pictures: [][]byte{r.InitImage, r.MaskImage}, Key: key, Owner: owner})
}

// admit makes a job durable if its owner may have it.
func (s *Service) admit(ctx context.Context, order job.Submission) (api.Job, error) {
	if err := s.o.Outbox.Admit(order.Owner, order.Webhook); err != nil {
		return api.Job{}, err
	}
	accepted, err := s.o.Quotas.Submit(ctx, order, func() time.Duration {
		_, eta := s.Waiting(ctx)
		return eta
	})
	if err == nil {
		spec := order.Spec
		s.o.Log.Info("job accepted", "job", accepted.ID, "key", order.Owner, "model", spec.Model, "steps", spec.Steps, "images", spec.N)
	}
	return accepted, err
}

func randomSeed() int64 {
	var b [4]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint32(b[:]))
}

// Find implements dialect.Service.
func (s *Service) Find(ctx context.Context, who dialect.Caller, dialectName, id string) (api.Job, error) {
	name, err := s.o.Jobs.Unalias(ctx, dialectName, id)
	if err != nil {
		return api.Job{}, s.public(err)
	}
	found, err := s.find(ctx, who.Name, who.Admin, cmp.Or(name, id), id)
	return found.Job, s.public(err)
}

// FindNative returns a job that the caller may see.
func (s *Service) FindNative(ctx context.Context, who account.Caller, id string) (job.Snapshot, error) {
	return s.find(ctx, who.Name, who.Admin(), id, id)
}

// find returns a job that somebody may see; shown is the id that they know it by.
func (s *Service) find(ctx context.Context, name string, admin bool, id, shown string) (job.Snapshot, error) {
	found, err := s.o.Jobs.Find(ctx, id)
	if err == nil && !MayUse(name, admin, found.Record) {
		return job.Snapshot{}, job.ErrNoJob(shown)
	}
	return found, err
}

// MayUse reports whether somebody may see and cancel a job: whoever submitted it, and admins.
func MayUse(name string, admin bool, r job.Record) bool { return admin || name == r.Owner }

// Cancel implements dialect.Service.
func (s *Service) Cancel(ctx context.Context, who dialect.Caller, id string) error {
	_, err := s.find(ctx, who.Name, who.Admin, id, id)
	if err == nil {
		err = s.CancelNative(ctx, id)
	}
	return s.public(err)
}

// CancelNative settles a job as canceled and then notifies the node that has it, if one has.
func (s *Service) CancelNative(ctx context.Context, id string) error {
	stopped, err := s.o.Jobs.Cancel(ctx, id)
	if stopped != nil {
		s.o.Fleet.Send(stopped.Node, api.CoordinatorMessage{Cancel: &api.Cancel{Attempt: stopped.Attempt}})
	}
	return err
}

// CancelQueued implements dialect.Service.
func (s *Service) CancelQueued(ctx context.Context, who dialect.Caller) (int, error) {
	n := 0
	for _, id := range s.o.Jobs.QueuedOf(who.Name) {
		canceled, err := s.o.Jobs.CancelQueued(ctx, id)
		if err != nil {
			return n, s.public(err)
		}
		if canceled {
			n++
		}
	}
	return n, nil
}

// Waiting implements dialect.Service. The estimate is that all slots work through the queue at the pace of
// the last jobs.
func (s *Service) Waiting(context.Context) (queued int, eta time.Duration) {
	busy, slots := 0, 0
	for _, attempts := range s.o.Jobs.Busy() {
		busy += len(attempts)
	}
	for _, c := range s.o.Fleet.Candidates(nil) {
		if c.Present() {
			slots += c.Slots
		}
	}
	queued = len(s.o.Jobs.Queued(time.Now()))
	rounds := 1 + (queued+busy)/max(slots, 1)
	return queued, time.Duration(rounds) * s.o.Jobs.Pace()
}

// Open implements dialect.Service.
func (s *Service) Open(ctx context.Context, id string, index int) (io.ReadCloser, api.Image, error) {
	found, err := s.o.Jobs.Find(ctx, id)
	if err != nil {
		return nil, api.Image{}, s.public(err)
	}
	image, ok := found.Record.Image(index)
	if !ok {
		return nil, api.Image{}, api.Errorf(api.CodeNotFound, "this job has no image %d", index)
	}
	file, err := s.o.Artifacts.OpenImage(found.Record.Attempt(), index, image.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, api.Image{}, api.Errorf(api.CodeNotFound, "image %d of this job is no longer kept", index)
	}
	if err != nil {
		return nil, api.Image{}, s.public(err)
	}
	return file, image, nil
}

// URL implements dialect.Service.
func (s *Service) URL(r *http.Request, j api.Job, index int) string {
	return s.Base(r) + s.o.Links.Image(j, index)
}

// Keep implements dialect.Service.
func (s *Service) Keep(ctx context.Context, r *http.Request, who dialect.Caller, picture []byte) (string, error) {
	path, err := s.o.Uploads.Keep(ctx, who.Name, picture, time.Now())
	if err != nil {
		return "", s.public(err)
	}
	return s.Base(r) + path, nil
}
