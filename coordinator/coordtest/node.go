package coordtest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/internal/ident"
	"github.com/easelgrid/easel/internal/pin"
	"github.com/gorilla/websocket"
)

// A Node is a scripted one: a real websocket client that signs, answers and uploads as the test wants.
type Node struct {
	t    *testing.T
	w    *World
	Key  ed25519.PrivateKey
	ID   string
	Conn *websocket.Conn
	// What it registers with.
	Runtimes []api.Runtime
	Slots    int
	Held     []api.Attempt
	Draining bool
	Welcome  api.Registered
	aside    []api.CoordinatorMessage // read while another was awaited
}

// NewNode makes a node with a new key; join connects it.
func (w *World) NewNode() *Node {
	public, private, _ := ed25519.GenerateKey(nil)
	return &Node{t: w.t, w: w, Key: private, ID: fleet.NodeID(public), Runtimes: []api.Runtime{copied(Runtime)}, Slots: 1}
}

// copied is a runtime whose models a test may change.
func copied(r api.Runtime) api.Runtime {
	r.Models = slices.Clone(r.Models)
	return r
}

// Node makes a node and joins it with a new token.
func (w *World) Node() *Node {
	w.t.Helper()
	n := w.NewNode()
	token := Decoded[struct{ Token string }](w.t, w.Call("POST", "/easel/v1/tokens", "")).Token
	if err := n.Join(token); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Dial opens a websocket and returns the challenge's nonce.
func (n *Node) Dial() []byte {
	n.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{api.NodeSubprotocol}}
	if n.w.Where.Fingerprint != "" {
		dialer.TLSClientConfig = pin.TLS(n.w.Where.Fingerprint)
	}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(n.w.Where.URL, "http")+api.NodePath, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	n.Conn, n.aside = conn, nil
	m := n.Next()
	if m.Challenge == nil {
		n.t.Fatalf("first message: %+v", m)
	}
	return m.Challenge.Nonce
}

// Join connects and registers. A refusal is its error.
func (n *Node) Join(token string) error {
	n.t.Helper()
	parts, err := api.DescribeRuntimes(n.Runtimes)
	if err != nil {
		n.t.Fatal(err)
	}
	if len(parts) == 1 {
		parts = nil // they fit into the registration
	}
	n.Introduce(n.Dial(), token, len(parts))
	for _, part := range parts {
		n.Send(api.NodeMessage{Describe: &part})
	}
	m := n.Next()
	if m.Refused != nil {
		return m.Refused
	}
	if m.Registered == nil {
		n.t.Fatalf("after register: %+v", m)
	}
	n.Welcome = *m.Registered
	return nil
}

// Introduce sends a registration, without runtimes where they are to follow in parts.
func (n *Node) Introduce(nonce []byte, token string, parts int) {
	n.t.Helper()
	r := &api.Register{
		Protocol: api.ProtocolVersion, Version: "test", PublicKey: n.Key.Public().(ed25519.PublicKey),
		Signature: ed25519.Sign(n.Key, api.ChallengeBytes(nonce)), JoinToken: token,
		Runtimes: n.Runtimes, Slots: n.Slots, Held: n.Held, Draining: n.Draining, Parts: parts,
	}
	if parts > 0 {
		r.Runtimes = nil
	}
	n.Send(api.NodeMessage{Register: r})
}

// Send sends a message.
func (n *Node) Send(m api.NodeMessage) {
	n.t.Helper()
	if err := n.Conn.WriteJSON(m); err != nil {
		n.t.Fatal(err)
	}
}

// Next reads the next message; the deadline only keeps a broken test from hanging.
func (n *Node) Next() api.CoordinatorMessage {
	n.t.Helper()
	if len(n.aside) > 0 {
		m := n.aside[0]
		n.aside = n.aside[1:]
		return m
	}
	return n.read()
}

// Await returns the next message that is as wanted. An end that was recorded frees a slot at once, so
// the next assignment may come before the notice that the last one is settled.
func (n *Node) Await(wanted func(api.CoordinatorMessage) bool) api.CoordinatorMessage {
	n.t.Helper()
	for i, m := range n.aside {
		if wanted(m) {
			n.aside = append(n.aside[:i], n.aside[i+1:]...)
			return m
		}
	}
	for {
		m := n.read()
		if wanted(m) {
			return m
		}
		n.aside = append(n.aside, m)
	}
}

func (n *Node) read() api.CoordinatorMessage {
	n.t.Helper()
	n.Conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var m api.CoordinatorMessage
	if err := n.Conn.ReadJSON(&m); err != nil {
		n.t.Fatalf("node %s: %v", n.ID, err)
	}
	return m
}

// Closed reads until the session ends and returns the close frame.
func (n *Node) Closed() *websocket.CloseError {
	n.t.Helper()
	n.Conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, _, err := n.Conn.ReadMessage(); err != nil {
			if closed, ok := err.(*websocket.CloseError); ok {
				return closed
			}
			n.t.Fatalf("node %s: %v", n.ID, err)
		}
	}
}

// Assigned waits for an assignment and accepts it.
func (n *Node) Assigned() api.Assign {
	n.t.Helper()
	a := n.Offered()
	n.Send(api.NodeMessage{Accept: &api.Accept{Attempt: a.Attempt}})
	return a
}

// Offered waits for an assignment.
func (n *Node) Offered() api.Assign {
	n.t.Helper()
	return *n.Await(func(m api.CoordinatorMessage) bool { return m.Assign != nil }).Assign
}

// Settled waits until the node is notified that it may delete the attempt.
func (n *Node) Settled(a api.Attempt) {
	n.t.Helper()
	n.Await(func(m api.CoordinatorMessage) bool { return m.Settled != nil && m.Settled.Attempt == a })
}

// Beat sends a heartbeat and returns the answer.
func (n *Node) Beat(held ...api.Attempt) api.Beat {
	n.t.Helper()
	n.Send(api.NodeMessage{Heartbeat: &api.Heartbeat{Sequence: 7, Held: held}})
	return *n.Await(func(m api.CoordinatorMessage) bool { return m.Beat != nil && m.Beat.Sequence == 7 }).Beat
}

// Progress reports a step of 20.
func (n *Node) Progress(a api.Attempt, step int) {
	n.t.Helper()
	n.Send(api.NodeMessage{Progress: &api.Progressed{Attempt: a, Progress: api.Progress{Phase: api.PhaseSampling, Step: step, Steps: 20}}})
}

// Fail reports the end of an attempt without a result.
func (n *Node) Fail(a api.Attempt, code api.Code) {
	n.t.Helper()
	n.Send(api.NodeMessage{Failed: &api.Failed{Attempt: a, Error: api.Error{Code: code, Message: "reported by " + n.ID}}})
}

// Picture is a PNG that differs by seed.
func Picture(seed int64) []byte { return artifacttest.Picture(seed) }

// DigestHeader is a Content-Digest.
func DigestHeader(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// Put uploads an image.
func (n *Node) Put(a api.Assign, index int, body []byte) Answer {
	n.t.Helper()
	path := strings.ReplaceAll(a.Upload, "{index}", fmt.Sprint(index))
	return n.w.Call("PUT", path, string(body), "Authorization", "Bearer "+a.Ticket, "Content-Digest", DigestHeader(body))
}

// Done uploads every image and reports it with a signed receipt, which edit may spoil.
func (n *Node) Done(a api.Assign, edit ...func(*api.Receipt)) {
	n.t.Helper()
	r := api.Receipt{
		Attempt: a.Attempt, NodeID: n.ID, Runtime: a.Runtime, Model: a.Spec.Model, Scheduler: a.Spec.Scheduler,
		Steps: a.Spec.Steps, Width: a.Spec.Width, Height: a.Spec.Height, FinishedAt: time.Now().UTC(),
	}
	for i := range a.Spec.N {
		body := Picture(a.Spec.Seed + int64(i))
		if answer := n.Put(a, i, body); answer.Status != http.StatusNoContent {
			n.t.Fatalf("put: %d %s", answer.Status, answer.Body)
		}
		r.Seeds = append(r.Seeds, a.Spec.Seed+int64(i))
		r.ImageDigests = append(r.ImageDigests, ident.Digest(body))
	}
	for _, e := range edit {
		e(&r)
	}
	if err := r.Sign(n.Key); err != nil {
		n.t.Fatal(err)
	}
	n.Send(api.NodeMessage{Done: &api.Done{Attempt: a.Attempt, Receipt: r}})
}
