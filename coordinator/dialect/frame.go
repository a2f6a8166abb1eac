package dialect

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
)

// A Frame is around every handler of a vendor: it finds the caller, and answers errors. C is what handlers
// are given, a [Call] or one with more to it.
type Frame[C any] struct {
	// Admit finds the caller.
	Admit func(w http.ResponseWriter, r *http.Request) (C, error)
	// Fail answers with an error in the vendor's form.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// KeyInHeader is the frame of vendors whose key is in the Authorization header. The key is checked
// before the body is read.
func KeyInHeader(callers Callers, fail func(http.ResponseWriter, *http.Request, error)) Frame[*Call] {
	admit := func(w http.ResponseWriter, r *http.Request) (*Call, error) {
		who, err := callers.Caller(r.Context(), Key(r))
		return &Call{W: w, R: r, Who: who}, err
	}
	return Frame[*Call]{admit, fail}
}

// Route gives a route its handler, which returns an error where it has not answered.
func (f Frame[C]) Route(route Route, answer func(C) error) Route {
	route.Handle = func(w http.ResponseWriter, r *http.Request) {
		c, err := f.Admit(w, r)
		if err == nil {
			err = answer(c)
		}
		if err != nil {
			f.Fail(w, r, err)
		}
	}
	return route
}

// A Call is one request of a known caller.
type Call struct {
	W   http.ResponseWriter
	R   *http.Request
	Who Caller
}

// Context ends when the client goes away.
func (c *Call) Context() context.Context { return c.R.Context() }

// Object reads the body as a JSON object of at most limit bytes.
func (c *Call) Object(limit int64) (*Object, error) { return ReadObject(c.W, c.R, limit) }

// Form reads the body as a form.
func (c *Call) Form() (*Form, error) { return ReadForm(c.W, c.R) }

// Reply answers with a value that has no pictures in it.
func (c *Call) Reply(value any) error {
	WriteJSON(c.W, http.StatusOK, value)
	return nil
}

// ReplyWith answers with a value whose pictures the function puts into the reply.
func (c *Call) ReplyWith(encode func(*Reply) (any, error)) error {
	reply := NewReply()
	defer reply.Close()
	value, err := encode(reply)
	if err != nil {
		return err
	}
	_ = reply.Write(c.W, http.StatusOK, value) // one that is cut short is shorter than its Content-Length
	return nil
}

// Submit makes the request's job durable under its Idempotency-Key.
func (c *Call) Submit(m Maker, r Request) (api.Job, error) {
	r.IdempotencyKey = c.idempotencyKey()
	return m.Submit(c.Context(), c.Who, r)
}

func (c *Call) idempotencyKey() string { return c.R.Header.Get("Idempotency-Key") }

// Wait waits until a job has succeeded; one that ended otherwise is an error. A job that is not settled
// within the limit is canceled; 0 is no limit.
func (c *Call) Wait(m Maker, job string, limit time.Duration) (api.Job, error) {
	ctx := c.Context()
	if limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, limit)
		defer stop()
	}
	settled, err := m.Wait(c.Patient(ctx), job, nil)
	if limit > 0 && errors.Is(err, context.DeadlineExceeded) && c.Context().Err() == nil {
		return api.Job{}, c.giveUp(m, job, limit)
	}
	if err != nil {
		return api.Job{}, err
	}
	return settled, JobError(settled)
}

func (c *Call) giveUp(m Maker, job string, limit time.Duration) error {
	if err := m.Cancel(c.Context(), c.Who, job); err != nil {
		return err
	}
	return api.Errorf(api.CodeUnavailable, "there was no picture within %s, the job was canceled", limit)
}

// Patient is a context to wait with for the job of a request that its client may send again with the
// same Idempotency-Key. When such a client goes away, waiting ends as by a deadline and the job goes on:
// the next request with the key finds it.
func (c *Call) Patient(ctx context.Context) context.Context {
	if c.idempotencyKey() == "" {
		return ctx
	}
	return patient{ctx}
}

type patient struct{ context.Context }

func (p patient) Err() error {
	if p.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}
