package fleet

import (
	"sync"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// mailboxSize is how many messages a node may be behind before its session ends.
const mailboxSize = 256

// A Mailbox is the way to a connected node: messages for it, and the order to end its session. Sending
// never blocks: everything the coordinator sends matters, so a node that does not read loses its session
// and not a message.
type Mailbox struct {
	Node string
	out  chan api.CoordinatorMessage

	once   sync.Once
	ended  chan struct{} // closed when the session is to end
	code   int           // of the close frame; set before ended is closed
	reason string
}

// NewMailbox makes one for a session of the node.
func NewMailbox(node string) *Mailbox {
	return &Mailbox{Node: node, out: make(chan api.CoordinatorMessage, mailboxSize), ended: make(chan struct{})}
}

// Send queues a message; false means that the session has ended.
func (m *Mailbox) Send(message api.CoordinatorMessage) bool {
	select {
	case <-m.ended:
		return false
	default:
	}
	select {
	case m.out <- message:
		return true
	default:
		m.End(websocket.ClosePolicyViolation, "the node does not read its messages")
		return false
	}
}

// End makes the session end: what is queued is still sent, then a close frame with the code and the
// reason. The first reason counts.
func (m *Mailbox) End(code int, reason string) {
	m.once.Do(func() {
		m.code, m.reason = code, reason
		close(m.ended)
	})
}

// Messages are those to be sent.
func (m *Mailbox) Messages() <-chan api.CoordinatorMessage { return m.out }

// Ended is closed when the session is to end.
func (m *Mailbox) Ended() <-chan struct{} { return m.ended }

// CloseFrame returns the code and the reason to close the session with. They are set once Ended is closed.
func (m *Mailbox) CloseFrame() (code int, reason string) { return m.code, m.reason }
