package coordinator

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/gorilla/websocket"
)

var discard = slog.New(slog.DiscardHandler)

func TestJoinTokens(t *testing.T) {
	w := newWorld(t)
	if err := w.newNode().join(w.token); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, want string }{
		"used":     {w.token, "used already"},
		"none":     {"", "needs one"},
		"unknown":  {joinTokenPrefix + "." + randomText(), "did not issue"},
		"nonsense": {"hello", "not a join token"},
	} {
		t.Run(name, func(t *testing.T) {
			n := w.newNode()
			err := n.join(c.token)
			refused, ok := errors.AsType[*api.Error](err)
			if !ok || refused.Code != api.CodeUnauthorized || !strings.Contains(refused.Message, c.want) {
				t.Errorf("got %v", err)
			}
			if closed := n.closed(); closed.Code != websocket.ClosePolicyViolation {
				t.Errorf("closed with %v", closed)
			}
		})
	}
	if nodes := decoded[struct{ Nodes []api.Node }](t, w.call("GET", "/easel/v1/nodes", "")).Nodes; len(nodes) != 1 {
		t.Errorf("%d nodes, want 1", len(nodes))
	}
}

func TestJoinTokenExpires(t *testing.T) {
	s, err := openStorage(t.Context(), t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	tokens := &tokens{bucket: &s.tokens, fingerprint: "abc"}
	now := time.Now()
	token, expires, err := tokens.issue(t.Context(), now)
	if err != nil || !strings.HasSuffix(token, ".abc") || !expires.Equal(now.Add(joinTokenValid)) {
		t.Fatalf("token %s until %s: %v", token, expires, err)
	}
	if err := tokens.consume(t.Context(), token, "n1", expires); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("at its end: %v", err)
	}
	if err := tokens.consume(t.Context(), token, "n1", now); err != nil {
		t.Errorf("in time: %v", err)
	}
	if err := tokens.consume(t.Context(), token, "n1", now); err != nil {
		t.Errorf("the same node again: %v", err)
	}
	if err := tokens.consume(t.Context(), token, "n2", now); !errors.Is(err, errTokenUsed) {
		t.Errorf("another node: %v", err)
	}
}

func TestBadRegistration(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		edit func(*api.Register)
		want api.Code
	}{
		"wrong signature": {func(r *api.Register) { r.Signature[0] ^= 1 }, api.CodeUnauthorized},
		"short key":       {func(r *api.Register) { r.PublicKey = r.PublicKey[:5] }, api.CodeInvalidRequest},
		"no protocol":     {func(r *api.Register) { r.Protocol = 0 }, api.CodeInvalidRequest},
		"many slots":      {func(r *api.Register) { r.Slots = 100000 }, api.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			n := w.newNode()
			nonce := n.dial()
			reg := api.Register{Protocol: 1, PublicKey: n.key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(n.key, api.ChallengeBytes(nonce)), JoinToken: w.token}
			c.edit(&reg)
			n.say(api.NodeMessage{Register: &reg})
			if m := n.next(); m.Refused == nil || m.Refused.Code != c.want {
				t.Errorf("got %+v", m)
			}
		})
	}
	t.Run("something else first", func(t *testing.T) {
		n := w.newNode()
		n.dial()
		n.say(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
		if m := n.next(); m.Refused == nil {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("no subprotocol", func(t *testing.T) {
		if a := w.call("GET", api.NodePath, ""); a.status != http.StatusBadRequest || a.code() != api.CodeInvalidRequest {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
}

func TestUnknownAndBrokenFrames(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	if err := n.conn.WriteMessage(websocket.TextMessage, []byte(`{"of_a_newer_version":{"x":1}}`)); err != nil {
		t.Fatal(err)
	}
	n.beat()
	if err := n.conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", api.MaxFrame+1))); err != nil {
		t.Fatal(err)
	}
	if closed := n.closed(); closed.Code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %v", closed)
	}
}

func TestRevokedNode(t *testing.T) {
	w := newWorld(t)
	n, other := w.node(), w.newNode()
	job := w.submit(`{"prompt":"a red circle"}`)
	n.assigned()
	if a := w.call("POST", "/easel/v1/nodes/"+n.id+"/revoke", ""); a.status != 200 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	if m := n.next(); m.Refused == nil {
		t.Errorf("got %+v", m)
	}
	w.reach(job.ID, in(api.StateQueued))
	refused, ok := errors.AsType[*api.Error](n.join(""))
	if !ok || refused.Code != api.CodeForbidden {
		t.Errorf("joined again: %v", refused)
	}
	if err := other.join(w.token); err != nil {
		t.Fatal(err)
	}
	if a := other.assigned(); a.Job != job.ID {
		t.Errorf("assigned %s", a.Job)
	}
}

func TestDrainAndResume(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	path := "/easel/v1/nodes/" + n.id
	if node := decoded[api.Node](t, w.call("POST", path+"/drain", "")); !node.Draining {
		t.Errorf("node: %+v", node)
	}
	if m := n.next(); m.Drain == nil || !m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	job := w.submit(`{"prompt":"a red circle"}`)
	n.beat() // a whole turn without an assignment
	e := decoded[explanation](t, w.call("GET", "/easel/v1/jobs/"+job.ID+"/explain", ""))
	if len(e.Nodes) != 1 || e.Nodes[0].Reason != "it is draining" {
		t.Errorf("explanation: %+v", e)
	}
	w.call("POST", path+"/resume", "")
	if m := n.next(); m.Drain == nil || m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	n.assigned()
}

func TestResumedWhileAway(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	path := "/easel/v1/nodes/" + n.id
	w.call("POST", path+"/drain", "")
	n.conn.UnderlyingConn().Close()
	w.call("POST", path+"/resume", "")
	n.draining = true // as the agent still was told
	if err := n.join(""); err != nil {
		t.Fatal(err)
	}
	if m := n.next(); m.Drain == nil || m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	w.submit(`{"prompt":"a red circle"}`)
	n.beat() // no longer draining
	n.assigned()
}

func TestLeavingIsRemembered(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.say(api.NodeMessage{Leaving: &api.Leaving{Reason: "sleeping"}})
	n.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	n.closed()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	node := decoded[api.Node](t, w.call("GET", "/easel/v1/nodes/"+n.id, ""))
	if node.Connected || node.Disconnects != "sleeping" {
		t.Errorf("node: %+v", node)
	}
}

func TestJoinWithTLS(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Listen = "0.0.0.0:0" })
	if err := w.newNode().join(w.token); err != nil {
		t.Fatal(err)
	}
}

func TestPlainHTTPWhenAskedFor(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Listen, c.PlainHTTP = "0.0.0.0:0", true })
	if w.where.Fingerprint != "" || !strings.HasPrefix(w.where.URL, "http://127.0.0.1:") {
		t.Errorf("listening: %+v", w.where)
	}
	w.node()
}

func TestNewJoinToken(t *testing.T) {
	for name, listen := range map[string]string{"loopback": "127.0.0.1:0", "with TLS": "0.0.0.0:0"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Listen = listen })
			token, err := NewJoinToken(w.dir)
			if err != nil || !strings.HasPrefix(token, "easel-join-1.") {
				t.Fatalf("token %q: %v", token, err)
			}
			if w.where.Fingerprint != "" && !strings.HasSuffix(token, "."+w.where.Fingerprint) {
				t.Errorf("the token does not pin the certificate: %s", token)
			}
			if (w.where.Fingerprint != "") != strings.HasPrefix(w.where.URL, "https:") || (name == "with TLS") != (w.where.Fingerprint != "") {
				t.Errorf("listening: %+v", w.where)
			}
			if err := w.stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := NewJoinToken(w.dir); !errors.Is(err, ErrNotRunning) {
				t.Errorf("stopped: %v", err)
			}
		})
	}
}
