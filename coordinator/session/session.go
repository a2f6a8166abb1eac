// Package session holds the websocket sessions of nodes: the handshake, what nodes report, and what is sent
// to them. It owns the wire between node and coordinator; the nodes are the fleet's, and everything a node
// reports about a job is a transition of that job, fenced by job and attempt.
package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/gorilla/websocket"
)

// Sessions are those of all nodes.
type Sessions struct {
	o     Options
	ctx   context.Context // ends when sessions are to end
	group group
}

// Options are what sessions need.
type Options struct {
	Fleet   *fleet.Fleet
	Tokens  *fleet.Tokens
	Jobs    *job.Jobs
	Leases  *job.Leases
	Version string
	Log     *slog.Logger

	Heartbeat time.Duration // how often nodes report
}

// New makes sessions that end when ctx does.
func New(ctx context.Context, o Options) *Sessions { return &Sessions{o: o, ctx: ctx} }

// ErrStopping refuses a session while the coordinator stops.
var ErrStopping = &api.Error{Code: api.CodeUnavailable, Message: "the coordinator is stopping"}

// upgrader keeps an idle session small: a little read buffer, and write buffers that are lent only
// while something is written.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
	Subprotocols: []string{api.NodeSubprotocol}, HandshakeTimeout: handshakeTime,
}

// Connect upgrades a node's request. It returns at once, so that net/http frees what it holds for
// a request; the session goes on in goroutines that Close waits for. A request that is no node's is
// answered by the caller, with the error.
func (s *Sessions) Connect(w http.ResponseWriter, r *http.Request) error {
	if !slices.Contains(websocket.Subprotocols(r), api.NodeSubprotocol) {
		return api.Errorf(api.CodeInvalidRequest, "Sec-WebSocket-Protocol: want a websocket with subprotocol %s", api.NodeSubprotocol)
	}
	if !s.group.begin() {
		return ErrStopping
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // the upgrader has answered
		s.group.done()
		return nil
	}
	go func() {
		defer s.group.done()
		s.serve(conn, r.RemoteAddr)
	}()
	return nil
}

// Close ends every session with a close frame; Wait waits for their ends.
func (s *Sessions) Close() { s.o.Fleet.EndAll(ErrStopping.Message) }

// Wait lets no further session begin and returns when all have ended.
func (s *Sessions) Wait() { s.group.close() }

// A session is one websocket of a registered node. Its reader is receive in a loop, its writer a goroutine
// of its own, fed by the mailbox.
type session struct {
	*fleet.Mailbox
	key     []byte // Ed25519
	conn    *websocket.Conn
	leaving string // what the node reported before it left; the reader's own
}

// serve runs one session from its handshake to its end.
func (s *Sessions) serve(conn *websocket.Conn, remote string) {
	defer conn.Close()
	hangUp := context.AfterFunc(s.ctx, func() { conn.Close() })
	reg, err := handshake{s.o.Fleet, s.o.Tokens, s.o.Version}.run(s.ctx, conn)
	if !hangUp() {
		return
	}
	if err != nil {
		s.o.Log.Info("node refused", "remote", remote, "error", err)
		refuse(conn, err)
		return
	}
	one := &session{Mailbox: fleet.NewMailbox(fleet.NodeID(reg.PublicKey)), key: reg.PublicKey, conn: conn}
	written := make(chan struct{})
	go func() {
		defer close(written)
		one.write(s.o.Log)
	}()
	s.begin(one, reg)
	s.o.Log.Info("node connected", "node", one.Node, "host", reg.Host.Name, "version", reg.Version, "slots", reg.Slots)
	reason := s.read(one)
	one.End(websocket.CloseNormalClosure, reason)
	<-written
	if one.leaving != "" {
		reason = one.leaving
	}
	if err := s.o.Fleet.Detach(s.background(), one.Mailbox, reason); err != nil {
		s.o.Log.Error("cannot record the end of a session", "node", one.Node, "error", err)
	}
	s.o.Log.Info("node disconnected", "node", one.Node, "reason", reason)
}

// background is the context of what must not be cut short by a stop.
func (s *Sessions) background() context.Context { return context.WithoutCancel(s.ctx) }

// begin welcomes the node. What it holds is compared with the records before it is given anything
// new: attempts of its own go on, others it is to drop, and those it should have and does not hold
// are lost at once, as after the agent was killed.
func (s *Sessions) begin(one *session, reg api.Register) {
	s.o.Fleet.Replace(one.Node)
	drop := s.adopt(one.Node, reg.Held)
	for _, a := range s.o.Jobs.Busy()[one.Node] {
		if !slices.Contains(reg.Held, a) {
			code := api.CodeNodeLost
			if s.o.Jobs.Pending(a, one.Node) { // the assignment was lost with the earlier session, nothing was begun
				code = api.CodeRejected
			}
			_ = s.o.Jobs.Lose(s.background(), a, one.Node, api.Errorf(code, "node %s came back without the attempt", one.Node), false)
		}
	}
	one.Send(api.CoordinatorMessage{Registered: &api.Registered{
		NodeID:           one.Node,
		HeartbeatSeconds: s.o.Heartbeat.Seconds(),
		LeaseSeconds:     s.o.Leases.Length.Seconds(),
		Drop:             drop,
	}})
	// A node that drains may do so on an order that was taken back while it was away.
	if record, _ := s.o.Fleet.Record(one.Node); record.Draining || reg.Draining {
		one.Send(api.CoordinatorMessage{Drain: &api.Drain{On: record.Draining}})
	}
	s.o.Fleet.Attach(one.Mailbox, reg)
	if record, _ := s.o.Fleet.Record(one.Node); record.Revoked { // since its handshake
		one.Send(api.CoordinatorMessage{Refused: fleet.ErrRevoked})
		one.End(websocket.ClosePolicyViolation, fleet.ErrRevoked.Message)
	}
	if s.ctx.Err() != nil { // too late for the stop to have seen this session
		one.End(websocket.CloseGoingAway, ErrStopping.Message)
	}
}

// adopt renews the leases of the attempts that are the node's and returns the others.
func (s *Sessions) adopt(node string, held []api.Attempt) (drop []api.Attempt) {
	for _, a := range held {
		if s.o.Jobs.Live(a, node) {
			s.o.Leases.Renew(a, node)
		} else {
			drop = append(drop, a)
		}
	}
	return drop
}

// read handles the node's messages until the session ends and returns why it did.
func (s *Sessions) read(one *session) string {
	for {
		m, err := readMessage(one.conn)
		select {
		case <-one.Ended():
			_, reason := one.CloseFrame()
			return reason
		default:
		}
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return closed.Error()
		}
		if err != nil {
			return "read: " + err.Error()
		}
		s.receive(one, m)
	}
}
