package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
)

// patience is how long a test waits for what must come. It bounds failures only.
const patience = 30 * time.Second

// fakeCoordinator is the other end of the wires: a real server on a real port, which can go away and
// come back at the same address. It does what the test says and nothing else.
type fakeCoordinator struct {
	t        *testing.T
	address  string
	tls      *tls.Certificate
	sessions chan *peer
	puts     chan put

	mu        sync.Mutex
	server    *http.Server
	peers     []*peer
	refuse    func(api.Register) *api.Error
	drop      []api.Attempt
	heartbeat float64
	lease     float64
	answer    func(put) int
	deaf      bool // heartbeats are not answered
}

// put is one upload as it arrived.
type put struct {
	path, ticket, kind string
	body               []byte
	whole              bool // the digest is right
}

func newCoordinator(t *testing.T, adjust ...func(*fakeCoordinator)) *fakeCoordinator {
	t.Helper()
	c := &fakeCoordinator{
		t: t, address: "127.0.0.1:0", sessions: make(chan *peer, 64), puts: make(chan put, 64),
		heartbeat: 0.05, lease: 10,
		refuse: func(api.Register) *api.Error { return nil },
		answer: func(put) int { return http.StatusCreated },
	}
	for _, f := range adjust {
		f(c)
	}
	c.start()
	t.Cleanup(c.stop)
	return c
}

// start listens, at the earlier address if there was one.
func (c *fakeCoordinator) start() {
	c.t.Helper()
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = listener.Addr().String()
	if c.tls != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*c.tls}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.NodePath, c.connect)
	mux.HandleFunc("PUT /upload/{job}/{index}", c.take)
	server := &http.Server{Handler: mux, ErrorLog: nil}
	c.set(func() { c.server = server })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.t.Errorf("serve: %v", err)
		}
	}()
}

// stop goes away: the port is closed and so are the sockets.
func (c *fakeCoordinator) stop() {
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	_ = server.Close() // it does not know of the sockets
	c.set(func() {
		for _, p := range c.peers {
			p.cut()
		}
		c.peers = nil
	})
}

func (c *fakeCoordinator) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *fakeCoordinator) url() string {
	if c.tls != nil {
		return "https://" + c.address
	}
	return "http://" + c.address
}

// take is the upload handler.
func (c *fakeCoordinator) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := sha256.Sum256(body)
	p := put{
		path: r.URL.Path, ticket: r.Header.Get("Authorization"), kind: r.Header.Get("Content-Type"), body: body,
		whole: r.Header.Get("Content-Digest") == "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" &&
			r.ContentLength == int64(len(body)),
	}
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	status := answer(p)
	if status < 300 {
		c.puts <- p
	}
	w.WriteHeader(status)
}

// peer is one session as the coordinator sees it.
type peer struct {
	t        *testing.T
	conn     *websocket.Conn
	register api.Register
	messages chan api.NodeMessage // closed when the socket is

	mu     sync.Mutex // of writes, and of latest
	latest api.Progress
}

func (c *fakeCoordinator) connect(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{api.NodeSubprotocol}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	p := &peer{t: c.t, conn: conn, messages: make(chan api.NodeMessage, 4096)}
	defer conn.Close()
	defer close(p.messages)
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce)
	p.send(api.CoordinatorMessage{Challenge: &api.Challenge{Nonce: nonce}})
	m, err := p.read()
	if err != nil || m.Register == nil {
		return
	}
	p.register = *m.Register
	if !ed25519.Verify(p.register.PublicKey, api.ChallengeBytes(nonce), p.register.Signature) {
		c.t.Error("the registration's signature does not verify")
	}
	c.mu.Lock()
	refusal, answer := c.refuse(p.register), api.Registered{NodeID: "node-1", HeartbeatSeconds: c.heartbeat, LeaseSeconds: c.lease, Drop: c.drop}
	c.mu.Unlock()
	if refusal != nil {
		p.send(api.CoordinatorMessage{Refused: refusal})
		return
	}
	c.set(func() { c.peers = append(c.peers, p) })
	p.send(api.CoordinatorMessage{Registered: &answer})
	c.sessions <- p
	c.listen(p)
}

func (c *fakeCoordinator) listen(p *peer) {
	for {
		m, err := p.read()
		if err != nil {
			return
		}
		if m.Heartbeat != nil {
			c.mu.Lock()
			deaf := c.deaf
			c.mu.Unlock()
			if !deaf {
				p.send(api.CoordinatorMessage{Beat: &api.Beat{Sequence: m.Heartbeat.Sequence}})
			}
		}
		if m.Progress != nil {
			p.mu.Lock()
			p.latest = m.Progress.Progress
			p.mu.Unlock()
		}
		p.messages <- m
	}
}

func (p *peer) read() (api.NodeMessage, error) {
	var m api.NodeMessage
	_, frame, err := p.conn.ReadMessage()
	if err != nil {
		return m, err
	}
	return m, api.DecodeFrame(frame, &m)
}

// send ignores a socket that is gone: the test sees that elsewhere.
func (p *peer) send(m api.CoordinatorMessage) {
	frame, err := json.Marshal(m)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.conn.WriteMessage(websocket.TextMessage, frame)
}

// cut closes the socket without a word.
func (p *peer) cut() { p.conn.NetConn().Close() }

func (p *peer) assign(a api.Assign) { p.send(api.CoordinatorMessage{Assign: &a}) }
func (p *peer) settle(a api.Attempt) {
	p.send(api.CoordinatorMessage{Settled: &api.Settled{Attempt: a}})
}
func (p *peer) cancelJob(a api.Attempt) {
	p.send(api.CoordinatorMessage{Cancel: &api.Cancel{Attempt: a}})
}
func (p *peer) progress() api.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// await returns the next message that pick finds something in, passing over others.
func await[T any](p *peer, what string, pick func(api.NodeMessage) *T) T {
	p.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case m, ok := <-p.messages:
			if !ok {
				p.t.Fatalf("the session ended before %s", what)
			}
			if v := pick(m); v != nil {
				return *v
			}
			if m.Failed != nil || m.Reject != nil {
				body, _ := json.Marshal(m)
				p.t.Fatalf("instead of %s: %s", what, body)
			}
		case <-limit.C:
			p.t.Fatalf("no %s within %s", what, patience)
		}
	}
}

func (p *peer) accepted() api.Accept {
	p.t.Helper()
	return await(p, "accept", func(m api.NodeMessage) *api.Accept { return m.Accept })
}

func (p *peer) rejected() api.Reject {
	p.t.Helper()
	return await(p, "reject", func(m api.NodeMessage) *api.Reject { return m.Reject })
}

func (p *peer) done() api.Done {
	p.t.Helper()
	return await(p, "done", func(m api.NodeMessage) *api.Done { return m.Done })
}

func (p *peer) failed() api.Failed {
	p.t.Helper()
	return await(p, "failed", func(m api.NodeMessage) *api.Failed { return m.Failed })
}

func (p *peer) heartbeat(what string, right func(api.Heartbeat) bool) api.Heartbeat {
	p.t.Helper()
	return await(p, what, func(m api.NodeMessage) *api.Heartbeat {
		if m.Heartbeat == nil || !right(*m.Heartbeat) {
			return nil
		}
		return m.Heartbeat
	})
}

// step waits until the attempt has finished at least n steps.
func (p *peer) step(n int) {
	p.t.Helper()
	await(p, "progress", func(m api.NodeMessage) *api.Progressed {
		if m.Progress == nil || m.Progress.Progress.Phase != api.PhaseSampling || m.Progress.Progress.Step < n {
			return nil
		}
		return m.Progress
	})
}

// receive waits for something on a channel.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case v := <-from:
		return v
	case <-ctx.Done():
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}
