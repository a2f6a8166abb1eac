package agent

import (
	"errors"
	"sync"

	"github.com/easelgrid/easel/api"
)

// outboxLimit is far more than a node with its few attempts has to send at once. A queue this long
// means that the socket takes nothing.
const outboxLimit = 256

var errOverflow = errors.New("the coordinator takes no messages")

// outbox is what waits to be written to one session's socket. Messages that matter go out in order.
// Progress and previews go out when nothing else waits, and a newer one replaces an older one of the
// same attempt, so that neither ever holds up a heartbeat or a result. Adding never blocks.
type outbox struct {
	ready chan struct{} // holds a token when there may be something to take

	mu       sync.Mutex
	urgent   []api.NodeMessage
	progress map[api.Attempt]api.NodeMessage
	previews map[api.Attempt]api.NodeMessage
	closed   error // why nothing is added any more
}

func newOutbox() *outbox {
	return &outbox{
		ready:    make(chan struct{}, 1),
		progress: map[api.Attempt]api.NodeMessage{},
		previews: map[api.Attempt]api.NodeMessage{},
	}
}

// put adds a message. After close it is dropped: what matters is sent again in the next session.
func (o *outbox) put(m api.NodeMessage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed != nil:
		return
	case m.Progress != nil:
		o.progress[m.Progress.Attempt] = m
	case m.Preview != nil:
		o.previews[m.Preview.Attempt] = m
	case len(o.urgent) == outboxLimit:
		o.shut(errOverflow)
	default:
		o.urgent = append(o.urgent, m)
	}
	o.wake()
}

// forget drops the progress and previews of an attempt that has ended.
func (o *outbox) forget(a api.Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.progress, a)
	delete(o.previews, a)
}

var errClosed = errors.New("the session ends")

// close lets the writer finish what matters and then end.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut(errClosed)
	o.wake()
}

func (o *outbox) shut(why error) {
	if o.closed == nil {
		o.closed = why
		clear(o.progress)
		clear(o.previews)
	}
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take removes the next message, waiting for one. It returns an error once the outbox is closed and
// empty. There is one taker.
func (o *outbox) take() (api.NodeMessage, error) {
	for {
		m, ok, err := o.next()
		if ok || err != nil {
			return m, err
		}
		<-o.ready
	}
}

func (o *outbox) next() (m api.NodeMessage, ok bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.urgent) > 0 {
		m, o.urgent = o.urgent[0], o.urgent[1:]
		return m, true, nil
	}
	for _, optional := range []map[api.Attempt]api.NodeMessage{o.progress, o.previews} {
		for a, m := range optional {
			delete(optional, a)
			return m, true, nil
		}
	}
	return m, false, o.closed
}
