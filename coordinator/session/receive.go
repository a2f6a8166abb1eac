package coordinator

import (
	"context"
	"errors"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// background is the context of what must not be cut short by a stop.
func (c *coordinator) background() context.Context { return context.WithoutCancel(c.stopping) }

// receive handles one message of a registered node.
func (c *coordinator) receive(s *session, m api.NodeMessage) {
	ctx := c.background()
	switch {
	case m.Heartbeat != nil:
		c.nodes.heartbeat(s, *m.Heartbeat)
		s.send(api.CoordinatorMessage{Beat: &api.Beat{
			Sequence: m.Heartbeat.Sequence, Drop: c.adopt(s.node, m.Heartbeat.Held),
		}})
	case m.Accept != nil:
		c.started(ctx, s, m.Accept.Attempt)
	case m.Reject != nil:
		c.rejected(ctx, s, *m.Reject)
	case m.Progress != nil:
		c.started(ctx, s, m.Progress.Attempt)
		c.jobs.advance(s.node, *m.Progress)
	case m.Preview != nil && len(m.Preview.JPEG) <= api.MaxPreview:
		c.jobs.preview(s.node, *m.Preview)
	case m.Done != nil:
		c.finished(ctx, s, *m.Done)
	case m.Failed != nil:
		c.failed(ctx, s, *m.Failed)
	case m.Leaving != nil:
		s.leaving = m.Leaving.Reason
	}
}

// started moves the job to running. One that runs already costs a look at the memory only, because
// every progress report comes through here.
func (c *coordinator) started(ctx context.Context, s *session, a api.Attempt) {
	if !c.jobs.pending(a, s.node) {
		return
	}
	_, err := c.jobs.change(ctx, a.Job, func(r *record) error { return r.start(a, s.node) })
	if isStorage(err) {
		c.storageFailed(s, err)
	}
}

// rejected puts the job back in its place and keeps it from this node for a while.
func (c *coordinator) rejected(ctx context.Context, s *session, m api.Reject) {
	if !c.jobs.live(m.Attempt, s.node) {
		return
	}
	c.jobs.shun(m.Job, s.node, time.Now().Add(c.config.AcceptTimeout))
	cause := api.Errorf(api.CodeRejected, "node %s rejected the assignment: %s", s.node, m.Error.Message)
	c.dispatcher.lose(ctx, m.Attempt, s.node, cause)
}

// finished settles the job with the attempt's result and then tells the node, which keeps the result
// until it hears that. A result that does not hold is a lost attempt; one of an older attempt
// changes nothing, and the node is told to delete it.
func (c *coordinator) finished(ctx context.Context, s *session, m api.Done) {
	r, err := c.jobs.change(ctx, m.Job, func(r *record) error {
		if r.live(m.Attempt, s.node) && !m.Receipt.Verify(s.key) {
			return api.Errorf(api.CodeRuntimeFailed, "the receipt's signature is not the node's")
		}
		return r.succeed(m.Attempt, s.node, m.Receipt)
	})
	var wrong *api.Error
	switch {
	case isStorage(err):
		c.storageFailed(s, err)
		return
	case errors.As(err, &wrong) && wrong.Code != api.CodeNotFound:
		c.log.Warn("result refused", "job", m.Job, "attempt", m.Number, "node", s.node, "error", wrong)
		c.dispatcher.lose(ctx, m.Attempt, s.node, wrong)
	case err == nil:
		c.log.Info("job succeeded", "job", m.Job, "attempt", m.Number, "node", s.node, "images", len(r.Job.Images))
	}
	c.settled(s, m.Attempt)
}

// failed ends the attempt without a result and tells the node.
func (c *coordinator) failed(ctx context.Context, s *session, m api.Failed) {
	if m.Error.Code == "" {
		m.Error.Code = api.CodeRuntimeFailed
	}
	if m.Error.Code == api.CodeOutOfMemory && c.jobs.live(m.Attempt, s.node) {
		if w, ok := c.jobs.one(m.Job, time.Now()); ok {
			if err := c.nodes.learnTooLarge(ctx, s.node, w.spec); err != nil {
				c.log.Error("cannot record what is too large for a node", "node", s.node, "error", err)
			}
		}
	}
	c.dispatcher.lose(ctx, m.Attempt, s.node, &m.Error)
	c.settled(s, m.Attempt)
}

// settled tells the node to delete the attempt, unless it is still live because its end could not be
// recorded: then the session ends, and the node repeats the end in the next one.
func (c *coordinator) settled(s *session, a api.Attempt) {
	if c.jobs.live(a, s.node) {
		c.storageFailed(s, errors.New("the attempt's end is not recorded"))
		return
	}
	s.send(api.CoordinatorMessage{Settled: &api.Settled{Attempt: a}})
}

// storageFailed ends the session, so that the node comes back with what it has to say.
func (c *coordinator) storageFailed(s *session, err error) {
	c.log.Error("cannot record what a node says", "node", s.node, "error", err)
	s.end(websocket.CloseTryAgainLater, "storage failed")
}

// cancel settles the job as canceled and then tells the node, if one has it.
func (c *coordinator) cancel(ctx context.Context, id string) error {
	var node string
	var attempt api.Attempt
	_, err := c.jobs.change(ctx, id, func(r *record) error {
		if r.Job.State == api.StateAssigned || r.Job.State == api.StateRunning {
			node, attempt = r.Job.NodeID, r.attempt()
		}
		return r.cancel()
	})
	if errors.Is(err, errStale) {
		return nil // settled already: the caller is told how
	}
	if err == nil && node != "" {
		c.nodes.send(node, api.CoordinatorMessage{Cancel: &api.Cancel{Attempt: attempt}})
	}
	return err
}

// cancelQueued cancels a job if no node has it yet, and reports whether it did.
func (c *coordinator) cancelQueued(ctx context.Context, id string) (bool, error) {
	_, err := c.jobs.change(ctx, id, func(r *record) error {
		if r.Job.State != api.StateQueued {
			return errSame
		}
		return r.cancel()
	})
	if errors.Is(err, errSame) || errors.Is(err, errStale) {
		return false, nil
	}
	return err == nil, err
}
