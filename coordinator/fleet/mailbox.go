package coordinator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

const (
	handshakeTime = 10 * time.Second
	writeTime     = 10 * time.Second
	outboxSize    = 256 // messages a node may be behind before its session ends
)

// upgrader keeps an idle session small: a little read buffer, and write buffers that are lent only
// while something is written.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
	Subprotocols: []string{api.NodeSubprotocol}, HandshakeTimeout: handshakeTime,
}

// A session is one websocket of a registered node. Its reader is whoever calls read in a loop, its
// writer is write in a goroutine of its own, and send never blocks: everything the coordinator says
// matters, so a node that does not read loses its session and not a message.
type session struct {
	node string
	key  []byte // Ed25519
	out  chan api.CoordinatorMessage

	once   sync.Once
	ended  chan struct{} // closed when the session is to end
	code   int           // of the close frame; set before ended is closed
	reason string

	leaving string // what the node said before it left; the reader's own
}

func newSession(node string, key []byte) *session {
	return &session{node: node, key: key, out: make(chan api.CoordinatorMessage, outboxSize), ended: make(chan struct{})}
}

// send queues a message; false says that the session is over.
func (s *session) send(m api.CoordinatorMessage) bool {
	select {
	case <-s.ended:
		return false
	default:
	}
	select {
	case s.out <- m:
		return true
	default:
		s.end(websocket.ClosePolicyViolation, "the node does not read its messages")
		return false
	}
}

// end makes the session end: what is queued is still sent, then a close frame. The first reason counts.
func (s *session) end(code int, reason string) {
	s.once.Do(func() {
		s.code, s.reason = code, reason
		close(s.ended)
	})
}

// write sends what is queued until the session ends, then closes the connection, which also ends the reader.
func (s *session) write(conn *websocket.Conn, log *slog.Logger) {
	defer conn.Close()
	for {
		select {
		case m := <-s.out:
			if err := writeMessage(conn, m); err != nil {
				s.end(websocket.CloseAbnormalClosure, "write: "+err.Error())
				return
			}
		case <-s.ended:
			s.flush(conn)
			closeWith(conn, s.code, s.reason)
			log.Debug("session closed", "node", s.node, "reason", s.reason)
			return
		}
	}
}

func (s *session) flush(conn *websocket.Conn) {
	for {
		select {
		case m := <-s.out:
			if writeMessage(conn, m) != nil {
				return
			}
		default:
			return
		}
	}
}

// writeMessage writes one frame. Nothing of it is for HTML, whose escapes would make six bytes of
// each "<" in a prompt and the frame too large for the node.
func writeMessage(conn *websocket.Conn, m api.CoordinatorMessage) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, body.Bytes())
}

// closeWith sends a close frame, whose reason may have 123 bytes.
func closeWith(conn *websocket.Conn, code int, reason string) {
	if code == websocket.CloseAbnormalClosure {
		return // stands for "no close frame"
	}
	frame := websocket.FormatCloseMessage(code, reason[:min(len(reason), 120)])
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(time.Second))
}

// readMessage reads the next frame. A binary frame or one that is not JSON is an error; a message of
// a newer node has no field set.
func readMessage(conn *websocket.Conn) (api.NodeMessage, error) {
	var m api.NodeMessage
	kind, frame, err := conn.ReadMessage()
	if err != nil {
		return m, err
	}
	if kind != websocket.TextMessage {
		return m, fmt.Errorf("a frame that is not text")
	}
	return m, api.DecodeFrame(frame, &m)
}
