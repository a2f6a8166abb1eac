package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

const (
	handshakeTime = 10 * time.Second
	writeTime     = 10 * time.Second
)

// write sends what is queued until the session ends, then closes the connection, which also ends the reader.
func (one *session) write(log *slog.Logger) {
	defer one.conn.Close()
	for {
		select {
		case m := <-one.Messages():
			if err := writeMessage(one.conn, m); err != nil {
				one.End(websocket.CloseAbnormalClosure, "write: "+err.Error())
				return
			}
		case <-one.Ended():
			one.flush()
			code, reason := one.CloseFrame()
			closeWith(one.conn, code, reason)
			log.Debug("session closed", "node", one.Node, "reason", reason)
			return
		}
	}
}

func (one *session) flush() {
	for {
		select {
		case m := <-one.Messages():
			if writeMessage(one.conn, m) != nil {
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
