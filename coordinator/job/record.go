package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/easelgrid/easel/api"
)

// A Record is the durable truth about one job.
//
//	          assign            start              succeed
//	queued ----------> assigned -----> running ------------> succeeded
//	   ^                  |  lose         |  lose  \-------> failed
//	   |__________________|_______________|      lose, no try left
//
//	cancel: from every state that is not terminal -> canceled
//
// Each method is one transition. It is fenced: it names the attempt and the node it is about, and
// returns ErrStale, changing nothing, when that is not the attempt the job is in. A terminal state
// has no way out, so a job settles exactly once however many ends race.
type Record struct {
	Job     api.Job    `json:"job"` // its images have no URL, its progress is not kept
	Runtime string     `json:"runtime,omitempty"`
	Ticket  []byte     `json:"ticket,omitempty"` // sha256 of the current attempt's upload ticket
	Tries   int        `json:"tries"`            // lost attempts that count
	Free    int        `json:"free"`             // lost attempts that were nobody's fault
	Killed  []string   `json:"killed,omitempty"` // nodes whose runtimes it brought down
	Avoid   []string   `json:"avoid,omitempty"`  // nodes that lost it, another is preferred
	Losses  []api.Loss `json:"losses,omitempty"` // newest last

	Owner   string       `json:"owner,omitempty"`   // name of the key that submitted it
	Dialect string       `json:"dialect,omitempty"` // that it came in, none is the native API
	Webhook *api.Webhook `json:"webhook,omitempty"`
	Base    string       `json:"base,omitempty"` // scheme and host as the client wrote them, for links in webhooks
}

// MaxTries is how many attempts a job has.
const MaxTries = 3

const (
	maxFree       = 10      // lost attempts that do not count, such as a rejected assignment
	maxErrorBytes = 8 << 10 // of a node's error message, and of its faults as JSON, that a record keeps
	maxCodeBytes  = 64
)

// ErrStale means that a transition is about an attempt the job is no longer in.
var ErrStale = errors.New("the job is no longer in that attempt")

// Live reports whether the job is in that attempt on that node now.
func (r *Record) Live(a api.Attempt, node string) bool {
	return (r.Job.State == api.StateAssigned || r.Job.State == api.StateRunning) &&
		r.Job.ID == a.Job && r.Job.Attempt == a.Number && r.Job.NodeID == node
}

// Attempt names the attempt the job is in, or was in last.
func (r *Record) Attempt() api.Attempt { return api.Attempt{Job: r.Job.ID, Number: r.Job.Attempt} }

// Assign begins the next attempt.
func (r *Record) Assign(node, runtime string, ticket []byte) error {
	if r.Job.State != api.StateQueued {
		return ErrStale
	}
	r.Job.State, r.Job.NodeID, r.Job.Error = api.StateAssigned, node, nil
	r.Job.Attempt++
	r.Job.Images = []api.Image{}
	r.Runtime, r.Ticket = runtime, ticket
	return nil
}

// ErrUnchanged means that a transition has happened already, so there is nothing to write.
var ErrUnchanged = errors.New("nothing to change")

// Start notes that the node works on the attempt.
func (r *Record) Start(a api.Attempt, node string) error {
	if !r.Live(a, node) {
		return ErrStale
	}
	if r.Job.State == api.StateRunning {
		return ErrUnchanged
	}
	r.Job.State = api.StateRunning
	return nil
}

// Deliver adds a stored image to the attempt. The same image again changes nothing; other bytes for
// the same index are refused, because the receipt of an attempt has one digest an image.
func (r *Record) Deliver(number int, image api.Image) error {
	if r.Job.Attempt != number || !r.Live(r.Attempt(), r.Job.NodeID) {
		return ErrStale
	}
	i, found := slices.BinarySearchFunc(r.Job.Images, image.Index, func(have api.Image, index int) int { return have.Index - index })
	if found && r.Job.Images[i].SHA256 == image.SHA256 {
		return ErrUnchanged
	}
	if found {
		return api.Errorf(api.CodeConflict, "image %d of this attempt was delivered with another digest", image.Index)
	}
	r.Job.State = api.StateRunning
	r.Job.Images = slices.Insert(slices.Clone(r.Job.Images), i, image)
	return nil
}

// Succeed settles the job with the attempt's result.
func (r *Record) Succeed(a api.Attempt, node string, receipt api.Receipt) error {
	if !r.Live(a, node) {
		return ErrStale
	}
	if err := r.accepts(receipt); err != nil {
		return err
	}
	r.Job.Images = slices.Clone(r.Job.Images)
	for _, i := range receipt.Flagged {
		if i >= 0 && i < len(r.Job.Images) {
			r.Job.Images[i].Flagged = true
		}
	}
	r.Job.State, r.Job.Receipt, r.Job.Error, r.Ticket = api.StateSucceeded, &receipt, nil, nil
	return nil
}

// Lose ends an attempt without a result: the job goes back to its old place in the queue, or fails
// when no other attempt helps with the error's code, when it has had its attempts, or when the
// caller knows that this loss is final.
func (r *Record) Lose(a api.Attempt, node string, cause api.Error, final bool, now time.Time) error {
	if !r.Live(a, node) {
		return ErrStale
	}
	cause = bounded(cause)
	r.Losses = append(slices.Clone(r.Losses), api.Loss{Attempt: a.Number, Node: node, Error: cause, At: now})
	r.Ticket = nil
	r.Job.Images = []api.Image{}
	if bringsDown(cause.Code) && !slices.Contains(r.Killed, node) {
		r.Killed = append(slices.Clone(r.Killed), node)
	}
	if !slices.Contains(r.Avoid, node) {
		r.Avoid = append(slices.Clone(r.Avoid), node)
	}
	if blameless(cause.Code) && r.Free < maxFree {
		r.Free++
	} else {
		r.Tries++
	}
	switch {
	case len(r.Killed) >= 2:
		r.fail(r.quarantine())
	case final || !again(cause.Code) || r.Tries >= MaxTries:
		r.fail(cause)
	default:
		r.Job.State = api.StateQueued
	}
	return nil
}

// bounded is what a record keeps of a node's error. A record has to fit into a message of 1 MiB with
// every loss a job can have.
func bounded(e api.Error) api.Error {
	if len(e.Message) > maxErrorBytes {
		e.Message = e.Message[:maxErrorBytes]
	}
	if len(e.Code) > maxCodeBytes {
		e.Code = api.CodeRuntimeFailed
	}
	if faults, err := json.Marshal(e.Faults); err != nil || len(faults) > maxErrorBytes {
		e.Faults = nil
	}
	return e
}

// Image is an image of the current attempt that was delivered, by its index.
func (r *Record) Image(index int) (api.Image, bool) {
	i := slices.IndexFunc(r.Job.Images, func(image api.Image) bool { return image.Index == index })
	if i < 0 {
		return api.Image{}, false
	}
	return r.Job.Images[i], true
}

// Delivered reports whether the current attempt has delivered that image.
func (r *Record) Delivered(image api.Image) bool {
	return slices.ContainsFunc(r.Job.Images, func(have api.Image) bool {
		return have.Index == image.Index && have.SHA256 == image.SHA256
	})
}

func (r *Record) fail(cause api.Error) {
	r.Job.State, r.Job.Error = api.StateFailed, &cause
}

// Cancel settles the job because its requester no longer wants it.
func (r *Record) Cancel() error {
	if r.Job.State.Terminal() {
		return ErrStale
	}
	r.Job.State, r.Ticket = api.StateCanceled, nil
	r.Job.Images = []api.Image{}
	r.Job.Error = api.Errorf(api.CodeCanceled, "canceled by its requester")
	return nil
}

// quarantine is the error of a job that brought down two nodes' runtimes: with both nodes' reports, so
// that whoever looks into it has them.
func (r *Record) quarantine() api.Error {
	text := fmt.Sprintf("this job brought down the runtimes of nodes %s and %s and is not tried again", r.Killed[0], r.Killed[1])
	for _, l := range r.Losses {
		if bringsDown(l.Error.Code) {
			text += fmt.Sprintf("\nattempt %d on node %s: %s: %s", l.Attempt, l.Node, l.Error.Code, l.Error.Message)
		}
	}
	return api.Error{Code: api.CodeQuarantined, Message: text}
}

// bringsDown reports whether the code means that the job ended a runtime process.
func bringsDown(c api.Code) bool { return c == api.CodeRuntimeCrashed || c == api.CodeRuntimeHung }

// blameless reports whether a loss with this code is nothing against the job.
func blameless(c api.Code) bool { return c == api.CodeRejected || c == api.CodeNodeStopped }

// again reports whether a job that lost an attempt with this code may have another. A node that
// reports canceled though nobody canceled gave up by itself, as it does when it hears nothing for long.
func again(c api.Code) bool { return c.Retryable() || c == api.CodeCanceled }
