package agent

import (
	"context"
	"errors"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/backoff"
)

// reconnectPauses are of any length up to the longest, so that nodes that lost one coordinator at the
// same moment do not come back at the same moment.
var reconnectPauses = backoff.Policy{Base: 500 * time.Millisecond, Limit: 30 * time.Second, Jitter: 1}

var errChanged = errors.New("the node can do other things now")

// stay keeps a session with the coordinator until ctx ends, one after the other. It returns an error
// only where another try could not help.
func (a *agent) stay(ctx context.Context) error {
	pause := backoff.Backoff{Policy: reconnectPauses}
	for ctx.Err() == nil {
		registered, err := a.attend(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case a.tokenMayHelp(err):
			a.joined = false
			continue
		case incurable(err):
			return err
		case errors.Is(err, errChanged):
			continue
		}
		if registered {
			pause.Reset()
		}
		a.log.Warn("no session with the coordinator", "error", err)
		pause.Wait(ctx)
	}
	return nil
}

// incurable reports whether waiting cannot help.
func incurable(err error) bool {
	_, refused := errors.AsType[*Refused](err)
	return refused || errors.Is(err, ErrCertificate)
}

// tokenMayHelp reports whether the coordinator refused a key that we took for known, while we have
// a token that we did not show: it may have been set up anew.
func (a *agent) tokenMayHelp(err error) bool {
	_, refused := errors.AsType[*Refused](err)
	return refused && a.joined && a.token.Text != ""
}

// attend holds one session and reports whether the node was registered in it.
func (a *agent) attend(ctx context.Context) (registered bool, err error) {
	s, r, err := a.connect(ctx)
	if err != nil {
		return false, err
	}
	if err := a.enroll(r); err != nil {
		s.conn.Close()
		return false, err
	}
	a.lease.renew(ctx, s.lease)
	a.slots.drop(errDropped, r.Drop...)
	a.log.Info("registered", "node", r.NodeID, "heartbeat", s.beat, "lease", s.lease)
	a.config.Joined(r.NodeID)
	return true, s.run(ctx)
}

// enroll remembers that the coordinator accepted this node.
func (a *agent) enroll(r api.Registered) error {
	m := membership{Coordinator: a.endpoint.base.String(), Fingerprint: a.endpoint.fingerprint, NodeID: r.NodeID}
	if !a.joined || a.id() != r.NodeID {
		if err := m.save(a.config.Data); err != nil {
			return err
		}
	}
	a.joined = true
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nodeID = r.NodeID
	return nil
}
