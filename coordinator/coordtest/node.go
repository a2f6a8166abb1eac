package coordinator

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

// A scripted node: a real websocket client that signs, answers and uploads as the test says.
type scripted struct {
	t    *testing.T
	w    *world
	key  ed25519.PrivateKey
	id   string
	conn *websocket.Conn
	// what registration says
	runtimes []api.Runtime
	slots    int
	held     []api.Attempt
	draining bool
	welcome  api.Registered
	aside    []api.CoordinatorMessage // read while another was awaited
}

// newNode makes a node with a new key; join connects it.
func (w *world) newNode() *scripted {
	public, private, _ := ed25519.GenerateKey(nil)
	return &scripted{t: w.t, w: w, key: private, id: nodeID(public), runtimes: []api.Runtime{testRuntime}, slots: 1}
}

// node makes a node and joins it with a new token.
func (w *world) node() *scripted {
	w.t.Helper()
	n := w.newNode()
	token := decoded[struct{ Token string }](w.t, w.call("POST", "/easel/v1/tokens", "")).Token
	if err := n.join(token); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// dial opens a websocket and returns the challenge's nonce.
func (n *scripted) dial() []byte {
	n.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{api.NodeSubprotocol}}
	if n.w.where.Fingerprint != "" {
		dialer.TLSClientConfig = pinned(n.w.where.Fingerprint).TLSClientConfig
	}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(n.w.where.URL, "http")+api.NodePath, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	n.conn, n.aside = conn, nil
	m := n.next()
	if m.Challenge == nil {
		n.t.Fatalf("first message: %+v", m)
	}
	return m.Challenge.Nonce
}

// join connects and registers. A refusal is its error.
func (n *scripted) join(token string) error {
	n.t.Helper()
	nonce := n.dial()
	n.say(api.NodeMessage{Register: &api.Register{
		Protocol: api.ProtocolVersion, Version: "test", PublicKey: n.key.Public().(ed25519.PublicKey),
		Signature: ed25519.Sign(n.key, api.ChallengeBytes(nonce)), JoinToken: token,
		Runtimes: n.runtimes, Slots: n.slots, Held: n.held, Draining: n.draining,
	}})
	m := n.next()
	if m.Refused != nil {
		return m.Refused
	}
	if m.Registered == nil {
		n.t.Fatalf("after register: %+v", m)
	}
	n.welcome = *m.Registered
	return nil
}

func (n *scripted) say(m api.NodeMessage) {
	n.t.Helper()
	if err := n.conn.WriteJSON(m); err != nil {
		n.t.Fatal(err)
	}
}

// next reads the next message; the deadline only keeps a broken test from hanging.
func (n *scripted) next() api.CoordinatorMessage {
	n.t.Helper()
	if len(n.aside) > 0 {
		m := n.aside[0]
		n.aside = n.aside[1:]
		return m
	}
	return n.read()
}

// await returns the next message that is as wanted. An end that was recorded frees a slot at once, so
// the next assignment may come before the word that the last one is settled.
func (n *scripted) await(wanted func(api.CoordinatorMessage) bool) api.CoordinatorMessage {
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

func (n *scripted) read() api.CoordinatorMessage {
	n.t.Helper()
	n.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var m api.CoordinatorMessage
	if err := n.conn.ReadJSON(&m); err != nil {
		n.t.Fatalf("node %s: %v", n.id, err)
	}
	return m
}

// closed reads until the session ends and returns the close frame.
func (n *scripted) closed() *websocket.CloseError {
	n.t.Helper()
	n.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, _, err := n.conn.ReadMessage(); err != nil {
			if closed, ok := err.(*websocket.CloseError); ok {
				return closed
			}
			n.t.Fatalf("node %s: %v", n.id, err)
		}
	}
}

// assigned waits for an assignment and accepts it.
func (n *scripted) assigned() api.Assign {
	n.t.Helper()
	a := n.offered()
	n.say(api.NodeMessage{Accept: &api.Accept{Attempt: a.Attempt}})
	return a
}

// offered waits for an assignment.
func (n *scripted) offered() api.Assign {
	n.t.Helper()
	return *n.await(func(m api.CoordinatorMessage) bool { return m.Assign != nil }).Assign
}

func (n *scripted) settled(a api.Attempt) {
	n.t.Helper()
	n.await(func(m api.CoordinatorMessage) bool { return m.Settled != nil && m.Settled.Attempt == a })
}

func (n *scripted) beat(held ...api.Attempt) api.Beat {
	n.t.Helper()
	n.say(api.NodeMessage{Heartbeat: &api.Heartbeat{Sequence: 7, Held: held}})
	return *n.await(func(m api.CoordinatorMessage) bool { return m.Beat != nil && m.Beat.Sequence == 7 }).Beat
}

func (n *scripted) progress(a api.Attempt, step int) {
	n.t.Helper()
	n.say(api.NodeMessage{Progress: &api.Progressed{Attempt: a, Progress: api.Progress{Phase: api.PhaseSampling, Step: step, Steps: 20}}})
}

func (n *scripted) fail(a api.Attempt, code api.Code) {
	n.t.Helper()
	n.say(api.NodeMessage{Failed: &api.Failed{Attempt: a, Error: api.Error{Code: code, Message: "said by " + n.id}}})
}

// picture is a PNG that differs by seed.
func picture(seed int64) []byte {
	var b bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	img.Pix[0], img.Pix[1] = byte(seed), byte(seed>>8)
	png.Encode(&b, img)
	return b.Bytes()
}

func digestHeader(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func (n *scripted) put(a api.Assign, index int, body []byte) answer {
	n.t.Helper()
	path := strings.ReplaceAll(a.Upload, "{index}", fmt.Sprint(index))
	return n.w.call("PUT", path, string(body), "Authorization", "Bearer "+a.Ticket, "Content-Digest", digestHeader(body))
}

// done uploads every image and says so with a signed receipt, which edit may spoil.
func (n *scripted) done(a api.Assign, edit ...func(*api.Receipt)) {
	n.t.Helper()
	r := api.Receipt{
		Attempt: a.Attempt, NodeID: n.id, Runtime: a.Runtime, Model: a.Spec.Model, Scheduler: a.Spec.Scheduler,
		Steps: a.Spec.Steps, Width: a.Spec.Width, Height: a.Spec.Height, FinishedAt: time.Now().UTC(),
	}
	for i := range a.Spec.N {
		body := picture(a.Spec.Seed + int64(i))
		if answer := n.put(a, i, body); answer.status != http.StatusNoContent {
			n.t.Fatalf("put: %d %s", answer.status, answer.body)
		}
		r.Seeds = append(r.Seeds, a.Spec.Seed+int64(i))
		r.ImageDigests = append(r.ImageDigests, hashHex(body))
	}
	for _, e := range edit {
		e(&r)
	}
	if err := r.Sign(n.key); err != nil {
		n.t.Fatal(err)
	}
	n.say(api.NodeMessage{Done: &api.Done{Attempt: a.Attempt, Receipt: r}})
}
