package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
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
// come back at the same address. It does what the test asks for and nothing else.
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
