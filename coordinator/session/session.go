package coordinator

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// connect upgrades a node's request. It returns at once, so that net/http frees what it holds for
// a request; the session goes on in goroutines the coordinator waits for.
func (c *coordinator) connect(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(websocket.Subprotocols(r), api.NodeSubprotocol) {
		writeError(w, api.Errorf(api.CodeInvalidRequest, "Sec-WebSocket-Protocol: want a websocket with subprotocol %s", api.NodeSubprotocol))
		return
	}
	if !c.sessions.begin() {
		writeError(w, errStopping)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // the upgrader has answered
		c.sessions.done()
		return
	}
	go func() {
		defer c.sessions.done()
		c.serveNode(conn, r.RemoteAddr)
	}()
}

// serveNode runs one session from its handshake to its end.
func (c *coordinator) serveNode(conn *websocket.Conn, remote string) {
	defer conn.Close()
	hangUp := context.AfterFunc(c.stopping, func() { conn.Close() })
	s, reg, err := handshake{c.nodes, c.tokens, c.config.Version}.run(c.stopping, conn)
	if !hangUp() {
		return
	}
	if err != nil {
		c.log.Info("node refused", "remote", remote, "error", err)
		refuse(conn, err)
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(conn, c.log)
	}()
	c.begin(s, reg)
	c.log.Info("node connected", "node", s.node, "host", reg.Host.Name, "version", reg.Version, "slots", reg.Slots)
	reason := c.read(s, conn)
	s.end(websocket.CloseNormalClosure, reason)
	<-written
	if s.leaving != "" {
		reason = s.leaving
	}
	if err := c.nodes.detach(context.WithoutCancel(c.stopping), s, reason); err != nil {
		c.log.Error("cannot record the end of a session", "node", s.node, "error", err)
	}
	c.log.Info("node disconnected", "node", s.node, "reason", reason)
}

// begin welcomes the node. What it holds is compared with the records before it is given anything
// new: attempts of its own go on, others it is to drop, and those it should have and does not hold
// are lost at once, as after the agent was killed.
func (c *coordinator) begin(s *session, reg api.Register) {
	c.nodes.replace(s.node)
	drop := c.adopt(s.node, reg.Held)
	for _, a := range c.jobs.busy()[s.node] {
		if !slices.Contains(reg.Held, a) {
			code := api.CodeNodeLost
			if c.jobs.pending(a, s.node) { // the assignment went down with the earlier session, nothing was begun
				code = api.CodeRejected
			}
			c.dispatcher.lose(c.background(), a, s.node, api.Errorf(code, "node %s came back without the attempt", s.node))
		}
	}
	s.send(api.CoordinatorMessage{Registered: &api.Registered{
		NodeID:           s.node,
		HeartbeatSeconds: c.config.Heartbeat.Seconds(),
		LeaseSeconds:     c.config.Lease.Seconds(),
		Drop:             drop,
	}})
	// A node that drains may do so on an order that was taken back while it was away.
	if record, _, _ := c.nodes.record(s.node); record.Draining || reg.Draining {
		s.send(api.CoordinatorMessage{Drain: &api.Drain{On: record.Draining}})
	}
	c.nodes.attach(s, reg)
	if record, _, _ := c.nodes.record(s.node); record.Revoked { // since its handshake
		s.send(api.CoordinatorMessage{Refused: errRevoked})
		s.end(websocket.ClosePolicyViolation, errRevoked.Message)
	}
	if c.stopping.Err() != nil { // too late for the stop to have seen this session
		s.end(websocket.CloseGoingAway, errStopping.Message)
	}
}

// adopt renews the leases of the attempts that are the node's and returns the others.
func (c *coordinator) adopt(node string, held []api.Attempt) (drop []api.Attempt) {
	for _, a := range held {
		if c.jobs.live(a, node) {
			c.leases.renew(a, node)
		} else {
			drop = append(drop, a)
		}
	}
	return drop
}

// read handles the node's messages until the session ends and returns why it did.
func (c *coordinator) read(s *session, conn *websocket.Conn) string {
	for {
		m, err := readMessage(conn)
		select {
		case <-s.ended:
			return s.reason
		default:
		}
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return closed.Error()
		}
		if err != nil {
			return "read: " + err.Error()
		}
		c.receive(s, m)
	}
}
