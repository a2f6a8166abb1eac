package session

import (
	"context"
	"errors"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/gorilla/websocket"
)

// receive handles one message of a registered node.
func (s *Sessions) receive(one *session, m api.NodeMessage) {
	ctx := s.background()
	switch {
	case m.Heartbeat != nil:
		s.o.Fleet.Heartbeat(one.Mailbox, *m.Heartbeat)
		one.Send(api.CoordinatorMessage{Beat: &api.Beat{
			Sequence: m.Heartbeat.Sequence, Drop: s.adopt(one.Node, m.Heartbeat.Held),
		}})
	case m.Accept != nil:
		s.started(ctx, one, m.Accept.Attempt)
	case m.Reject != nil:
		s.rejected(ctx, one, *m.Reject)
	case m.Progress != nil:
		s.started(ctx, one, m.Progress.Attempt)
		s.o.Jobs.Advance(one.Node, *m.Progress)
	case m.Preview != nil && len(m.Preview.JPEG) <= api.MaxPreview:
		s.o.Jobs.Preview(one.Node, *m.Preview)
	case m.Done != nil:
		s.finished(ctx, one, *m.Done)
	case m.Failed != nil:
		s.failed(ctx, one, *m.Failed)
	case m.Leaving != nil:
		one.leaving = m.Leaving.Reason
	}
}

// started moves the job to running. One that runs already costs a look at the memory only, because
// every progress report comes through here.
func (s *Sessions) started(ctx context.Context, one *session, a api.Attempt) {
	if !s.o.Jobs.Pending(a, one.Node) {
		return
	}
	_, err := s.o.Jobs.Change(ctx, a.Job, func(r *job.Record) error { return r.Start(a, one.Node) })
	if job.StorageFailed(err) {
		s.storageFailed(one, err)
	}
}

// rejected puts the job back in its place and keeps it from this node for a while.
func (s *Sessions) rejected(ctx context.Context, one *session, m api.Reject) {
	if !s.o.Jobs.Live(m.Attempt, one.Node) {
		return
	}
	s.o.Jobs.Shun(m.Job, one.Node, time.Now().Add(s.o.Leases.Accept))
	cause := api.Errorf(api.CodeRejected, "node %s rejected the assignment: %s", one.Node, m.Error.Message)
	_ = s.o.Jobs.Lose(ctx, m.Attempt, one.Node, cause, false)
}

// finished settles the job with the attempt's result and then notifies the node, which keeps the result
// until then. A result that does not hold is a lost attempt; one of an older attempt changes nothing, and
// the node is notified so that it deletes it.
func (s *Sessions) finished(ctx context.Context, one *session, m api.Done) {
	r, err := s.o.Jobs.Change(ctx, m.Job, func(r *job.Record) error {
		if r.Live(m.Attempt, one.Node) && !m.Receipt.Verify(one.key) {
			return api.Errorf(api.CodeRuntimeFailed, "the receipt's signature is not the node's")
		}
		return r.Succeed(m.Attempt, one.Node, m.Receipt)
	})
	var wrong *api.Error
	switch {
	case job.StorageFailed(err):
		s.storageFailed(one, err)
		return
	case errors.As(err, &wrong) && wrong.Code != api.CodeNotFound:
		s.o.Log.Warn("result refused", "job", m.Job, "attempt", m.Number, "node", one.Node, "error", wrong)
		_ = s.o.Jobs.Lose(ctx, m.Attempt, one.Node, wrong, false)
	case err == nil:
		s.o.Log.Info("job succeeded", "job", m.Job, "attempt", m.Number, "node", one.Node, "images", len(r.Job.Images))
	}
	s.settled(one, m.Attempt)
}

// failed ends the attempt without a result and notifies the node. A job that is out of memory everywhere
// has no use for another attempt.
func (s *Sessions) failed(ctx context.Context, one *session, m api.Failed) {
	if m.Error.Code == "" {
		m.Error.Code = api.CodeRuntimeFailed
	}
	final := false
	if open, ok := s.o.Jobs.Open(m.Job, time.Now()); ok && m.Error.Code == api.CodeOutOfMemory && s.o.Jobs.Live(m.Attempt, one.Node) {
		if err := s.o.Fleet.LearnTooLarge(ctx, one.Node, open.Spec); err != nil {
			s.o.Log.Error("cannot record what is too large for a node", "node", one.Node, "error", err)
		}
		final = !s.o.Fleet.AnyCapable(open.Spec)
	}
	_ = s.o.Jobs.Lose(ctx, m.Attempt, one.Node, &m.Error, final)
	s.settled(one, m.Attempt)
}

// settled notifies the node that it may delete the attempt, unless it is still live because its end could
// not be recorded: then the session ends, and the node repeats the end in the next one.
func (s *Sessions) settled(one *session, a api.Attempt) {
	if s.o.Jobs.Live(a, one.Node) {
		s.storageFailed(one, errors.New("the attempt's end is not recorded"))
		return
	}
	one.Send(api.CoordinatorMessage{Settled: &api.Settled{Attempt: a}})
}

// storageFailed ends the session, so that the node comes back with what it has to report.
func (s *Sessions) storageFailed(one *session, err error) {
	s.o.Log.Error("cannot record what a node reports", "node", one.Node, "error", err)
	one.End(websocket.CloseTryAgainLater, "storage failed")
}
