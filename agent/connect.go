package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
)

const (
	handshakeLimit = 15 * time.Second // for each message of the handshake
	writeLimit     = 10 * time.Second // for each frame
)

// connect opens a session: dial, challenge, register, registered.
func (a *agent) connect(ctx context.Context) (*session, api.Registered, error) {
	// Not waited for: a driver that is slow today must not keep a node with running jobs away.
	a.devices.refresh()
	conn, response, err := a.endpoint.dialer.DialContext(ctx, a.endpoint.socket(), nil)
	if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
		return nil, api.Registered{}, fmt.Errorf("connect: the coordinator answered %s", response.Status)
	}
	if err != nil {
		return nil, api.Registered{}, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	registered, err := a.register(ctx, conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, api.Registered{}, err
	}
	return newSession(a, conn, registered), registered, nil
}

// register proves the node's key and describes the node.
func (a *agent) register(ctx context.Context, conn *websocket.Conn) (api.Registered, error) {
	conn.SetReadLimit(api.MaxFrame)
	challenge, err := awaited(conn, func(m api.CoordinatorMessage) *api.Challenge { return m.Challenge })
	if err != nil {
		return api.Registered{}, fmt.Errorf("await challenge: %w", err)
	}
	if err := introduce(conn, a.registration(ctx, challenge.Nonce)); err != nil {
		return api.Registered{}, fmt.Errorf("register: %w", err)
	}
	registered, err := awaited(conn, func(m api.CoordinatorMessage) *api.Registered { return m.Registered })
	if err != nil {
		return api.Registered{}, fmt.Errorf("register: %w", err)
	}
	return *registered, nil
}

func (a *agent) registration(ctx context.Context, nonce []byte) *api.Register {
	r := &api.Register{
		Protocol: api.ProtocolVersion, Version: a.config.Version,
		PublicKey: a.key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(a.key, api.ChallengeBytes(nonce)),
		Host: hostFacts(ctx), Devices: a.devices.readings(), Runtimes: a.runtimes.descriptions(),
		Slots: a.config.Slots, Draining: a.slots.draining(), Held: a.slots.names(),
	}
	if !a.joined {
		r.JoinToken = a.token.Text
	}
	return r
}

// introduce sends the registration, with the runtimes behind it in parts where they do not fit into its
// frame.
func introduce(conn *websocket.Conn, r *api.Register) error {
	whole, err := json.Marshal(api.NodeMessage{Register: r})
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	var parts []api.Describe
	if len(whole) > api.MaxFrame {
		if parts, err = api.DescribeRuntimes(r.Runtimes); err != nil {
			return err
		}
		r.Runtimes, r.Parts = nil, len(parts)
	}
	if err := writeFrame(conn, api.NodeMessage{Register: r}); err != nil {
		return err
	}
	for _, part := range parts {
		if err := writeFrame(conn, api.NodeMessage{Describe: &part}); err != nil {
			return err
		}
	}
	return nil
}

// awaited reads frames until the one that is due; a refusal instead is an error.
func awaited[T any](conn *websocket.Conn, due func(api.CoordinatorMessage) *T) (*T, error) {
	for {
		if err := conn.SetReadDeadline(time.Now().Add(handshakeLimit)); err != nil {
			return nil, err
		}
		m, err := readFrame(conn)
		if err != nil {
			return nil, err
		}
		if m.Refused != nil {
			return nil, refusal(*m.Refused)
		}
		if v := due(m); v != nil {
			return v, nil
		}
	}
}

// refusal makes an error of the coordinator's reason. Only a credential that it does not accept is final.
func refusal(reason api.Error) error {
	if reason.Code == api.CodeUnauthorized || reason.Code == api.CodeForbidden {
		return &Refused{Reason: reason}
	}
	return fmt.Errorf("refused for now: %w", &reason)
}

func readFrame(conn *websocket.Conn) (api.CoordinatorMessage, error) {
	var m api.CoordinatorMessage
	_, frame, err := conn.ReadMessage()
	if err != nil {
		return m, err
	}
	return m, api.DecodeFrame(frame, &m)
}

func writeFrame(conn *websocket.Conn, m api.NodeMessage) error {
	frame, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	if len(frame) > api.MaxFrame {
		return fmt.Errorf("frame of %d bytes, limit %d", len(frame), api.MaxFrame)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.TextMessage, frame)
}
