package dialect

import (
	"time"

	"github.com/easelgrid/easel/api"
)

// Patience is how long a synchronous request waits where the vendor states no limit. Clients of OpenAI's
// libraries wait as long.
const Patience = 10 * time.Minute

// A Making is a synchronous request for pictures, from its body to its reply. T is what the reply
// depends on besides the job, such as whether pictures come in base64.
//
// A client that goes away ends its job, unless it may come again with its Idempotency-Key.
type Making[T any] struct {
	Maker Maker
	Limit time.Duration // on waiting, 0 for none: see [Call.Wait]
	// Decode reads the request's body.
	Decode func(c *Call) (Request, T, error)
	// Encode makes the body of the reply. Pictures go through the Reply.
	Encode func(c *Call, job api.Job, asked T, reply *Reply) (any, error)
}

// Answer is the handler.
func (m Making[T]) Answer(c *Call) error {
	r, asked, err := m.Decode(c)
	if err != nil {
		return err
	}
	return m.Finish(c, r, asked)
}

// Finish answers a request that is decoded already.
func (m Making[T]) Finish(c *Call, r Request, asked T) error {
	job, err := c.Submit(m.Maker, r)
	if err != nil {
		return err
	}
	if job, err = c.Wait(m.Maker, job.ID, m.Limit); err != nil {
		return err
	}
	return c.ReplyWith(func(reply *Reply) (any, error) { return m.Encode(c, job, asked, reply) })
}

// FromObject decodes requests whose body is a JSON object of at most limit bytes.
func FromObject[T any](limit int64, decode func(*Object) (Request, T, error)) func(*Call) (Request, T, error) {
	return func(c *Call) (r Request, asked T, err error) {
		o, err := c.Object(limit)
		if err != nil {
			return r, asked, err
		}
		return decode(o)
	}
}

// JobError is why a settled job has no images; nil where it has.
func JobError(job api.Job) error {
	switch {
	case job.State == api.StateSucceeded:
		return nil
	case job.Error != nil:
		return job.Error
	case job.State == api.StateCanceled:
		return api.Errorf(api.CodeCanceled, "the job was canceled")
	}
	return api.Errorf(api.CodeInternal, "the job is %s", job.State)
}
