package session

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/gorilla/websocket"
)

// A handshake is the beginning of a session: it finds out which node is there and whether it may join.
type handshake struct {
	fleet   *fleet.Fleet
	tokens  *fleet.Tokens
	version string
}

const maxSlots = 256

// run challenges the node and returns its verified registration. An *api.Error is sent to
// the node; other errors mean that it is gone.
func (h handshake) run(ctx context.Context, conn *websocket.Conn) (api.Register, error) {
	conn.SetReadLimit(api.MaxFrame)
	if err := conn.SetReadDeadline(time.Now().Add(handshakeTime)); err != nil {
		return api.Register{}, err
	}
	nonce := make([]byte, 32)
	rand.Read(nonce)
	challenge := api.CoordinatorMessage{Challenge: &api.Challenge{Nonce: nonce, Version: h.version}}
	if err := writeMessage(conn, challenge); err != nil {
		return api.Register{}, err
	}
	m, err := readMessage(conn)
	if err != nil {
		return api.Register{}, err
	}
	if m.Register == nil {
		return api.Register{}, api.Errorf(api.CodeInvalidRequest, "the first message must be register")
	}
	reg := *m.Register
	if err := checkRegister(reg, nonce); err != nil {
		return api.Register{}, err
	}
	id, now := fleet.NodeID(reg.PublicKey), time.Now().UTC()
	if err := h.admit(ctx, id, reg, now); err != nil {
		return api.Register{}, err
	}
	if reg.Parts > 0 { // only of a node that may join
		if reg.Runtimes, err = readParts(conn, reg.Parts); err != nil {
			return api.Register{}, err
		}
	}
	if err := h.record(ctx, id, reg, now); err != nil {
		return api.Register{}, err
	}
	return reg, conn.SetReadDeadline(time.Time{})
}

// readParts reads the runtimes that had no room in the registration.
func readParts(conn *websocket.Conn, parts int) ([]api.Runtime, error) {
	if parts > api.MaxDescribeParts {
		return nil, api.Errorf(api.CodeInvalidRequest, "parts: got %d, want at most %d", parts, api.MaxDescribeParts)
	}
	var d api.Description
	for range parts {
		m, err := readMessage(conn)
		if err != nil {
			return nil, err
		}
		if m.Describe == nil {
			return nil, api.Errorf(api.CodeInvalidRequest, "describe: got another message before all %d parts", parts)
		}
		if err := d.Add(*m.Describe); err != nil {
			return nil, api.Errorf(api.CodeInvalidRequest, "describe: %v", err)
		}
	}
	runtimes, err := d.Runtimes()
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidRequest, "describe: %v", err)
	}
	return runtimes, nil
}

// checkRegister checks that the registration is whole and that its sender has the key.
func checkRegister(reg api.Register, nonce []byte) error {
	switch {
	case reg.Protocol < 1:
		return api.Errorf(api.CodeInvalidRequest, "protocol: got %d, want at least 1", reg.Protocol)
	case len(reg.PublicKey) != ed25519.PublicKeySize:
		return api.Errorf(api.CodeInvalidRequest, "public_key: got %d bytes, want %d", len(reg.PublicKey), ed25519.PublicKeySize)
	case !ed25519.Verify(reg.PublicKey, api.ChallengeBytes(nonce), reg.Signature):
		return api.Errorf(api.CodeUnauthorized, "signature: it is not this key's, of the challenge")
	case reg.Slots < 0 || reg.Slots > maxSlots:
		return api.Errorf(api.CodeInvalidRequest, "slots: got %d, want 0 to %d", reg.Slots, maxSlots)
	}
	return nil
}

// admit decides whether the node may join. The join token is consumed before the record is written and
// remembers by whom, so a node can repeat a try that was cut short in between.
func (h handshake) admit(ctx context.Context, id string, reg api.Register, now time.Time) error {
	known, joined := h.fleet.Record(id)
	switch {
	case known.Revoked:
		return fleet.ErrRevoked
	case !joined:
		return h.tokens.Consume(ctx, reg.JoinToken, id, now)
	case !bytes.Equal(known.PublicKey, reg.PublicKey): // the name is a part of the key's hash only
		return api.Errorf(api.CodeUnauthorized, "public_key: node %s has another one", id)
	}
	return nil
}

// record keeps the registration, without its secrets.
func (h handshake) record(ctx context.Context, id string, reg api.Register, now time.Time) error {
	return h.fleet.Save(ctx, id, func(r *fleet.Record) {
		if r.JoinedAt.IsZero() {
			r.JoinedAt = now
		}
		r.PublicKey, r.LastSeen, r.Register = reg.PublicKey, now, reg
		r.Register.JoinToken, r.Register.Signature, r.Register.Held, r.Register.Parts = "", nil, nil, 0
	})
}

// lingerTime is how long what a refused node still sends is read, so that the refusal reaches it.
const lingerTime = time.Second

// refuse notifies the node why its session ends before it began.
func refuse(conn *websocket.Conn, err error) {
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok {
		refusal = api.Errorf(api.CodeUnavailable, "the coordinator cannot take the node now")
	}
	if writeMessage(conn, api.CoordinatorMessage{Refused: refusal}) == nil {
		closeWith(conn, websocket.ClosePolicyViolation, fmt.Sprintf("refused: %s", refusal.Code))
		linger(conn)
	}
}

// linger reads on until the node closes its end. A connection that is closed with something unread is reset,
// and the reset may overtake the refusal.
func linger(conn *websocket.Conn) {
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}
