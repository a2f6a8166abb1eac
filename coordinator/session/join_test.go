package session_test

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/internal/ident"
	"github.com/gorilla/websocket"
)

func TestJoinTokens(t *testing.T) {
	w := coordtest.New(t)
	if err := w.NewNode().Join(w.Token); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, want string }{
		"used":     {w.Token, "used already"},
		"none":     {"", "needs one"},
		"unknown":  {"easel-join-1." + ident.Secret(), "did not issue"},
		"nonsense": {"hello", "not a join token"},
	} {
		t.Run(name, func(t *testing.T) {
			n := w.NewNode()
			err := n.Join(c.token)
			refused, ok := errors.AsType[*api.Error](err)
			if !ok || refused.Code != api.CodeUnauthorized || !strings.Contains(refused.Message, c.want) {
				t.Errorf("got %v", err)
			}
			if closed := n.Closed(); closed.Code != websocket.ClosePolicyViolation {
				t.Errorf("closed with %v", closed)
			}
		})
	}
	if nodes := coordtest.Decoded[struct{ Nodes []api.Node }](t, w.Call("GET", "/easel/v1/nodes", "")).Nodes; len(nodes) != 1 {
		t.Errorf("%d nodes, want 1", len(nodes))
	}
}

func TestBadRegistration(t *testing.T) {
	w := coordtest.New(t)
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
			n := w.NewNode()
			nonce := n.Dial()
			reg := api.Register{Protocol: 1, PublicKey: n.Key.Public().(ed25519.PublicKey), Signature: ed25519.Sign(n.Key, api.ChallengeBytes(nonce)), JoinToken: w.Token}
			c.edit(&reg)
			n.Send(api.NodeMessage{Register: &reg})
			if m := n.Next(); m.Refused == nil || m.Refused.Code != c.want {
				t.Errorf("got %+v", m)
			}
		})
	}
	t.Run("something else first", func(t *testing.T) {
		n := w.NewNode()
		n.Dial()
		n.Send(api.NodeMessage{Heartbeat: &api.Heartbeat{}})
		if m := n.Next(); m.Refused == nil {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("no subprotocol", func(t *testing.T) {
		if a := w.Call("GET", api.NodePath, ""); a.Status != http.StatusBadRequest || a.Code() != api.CodeInvalidRequest {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	})
}

func TestUnknownAndBrokenFrames(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	if err := n.Conn.WriteMessage(websocket.TextMessage, []byte(`{"of_a_newer_version":{"x":1}}`)); err != nil {
		t.Fatal(err)
	}
	n.Beat()
	if err := n.Conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", api.MaxFrame+1))); err != nil {
		t.Fatal(err)
	}
	if closed := n.Closed(); closed.Code != websocket.CloseMessageTooBig {
		t.Errorf("closed with %v", closed)
	}
}

func TestRevokedNode(t *testing.T) {
	w := coordtest.New(t)
	n, other := w.Node(), w.NewNode()
	job := w.Submit(`{"prompt":"a red circle"}`)
	n.Assigned()
	if a := w.Call("POST", "/easel/v1/nodes/"+n.ID+"/revoke", ""); a.Status != 200 {
		t.Fatalf("revoke: %d %s", a.Status, a.Body)
	}
	if m := n.Next(); m.Refused == nil {
		t.Errorf("got %+v", m)
	}
	w.Reach(job.ID, coordtest.In(api.StateQueued))
	refused, ok := errors.AsType[*api.Error](n.Join(""))
	if !ok || refused.Code != api.CodeForbidden {
		t.Errorf("joined again: %v", refused)
	}
	if err := other.Join(w.Token); err != nil {
		t.Fatal(err)
	}
	if a := other.Assigned(); a.Job != job.ID {
		t.Errorf("assigned %s", a.Job)
	}
}

func TestDrainAndResume(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	path := "/easel/v1/nodes/" + n.ID
	if node := coordtest.Decoded[api.Node](t, w.Call("POST", path+"/drain", "")); !node.Draining {
		t.Errorf("node: %+v", node)
	}
	if m := n.Next(); m.Drain == nil || !m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	job := w.Submit(`{"prompt":"a red circle"}`)
	n.Beat() // a whole turn without an assignment
	e := coordtest.Decoded[api.Explanation](t, w.Call("GET", "/easel/v1/jobs/"+job.ID+"/explain", ""))
	if len(e.Nodes) != 1 || e.Nodes[0].Reason != "it is draining" {
		t.Errorf("explanation: %+v", e)
	}
	w.Call("POST", path+"/resume", "")
	if m := n.Next(); m.Drain == nil || m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	n.Assigned()
}

func TestResumedWhileAway(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	path := "/easel/v1/nodes/" + n.ID
	w.Call("POST", path+"/drain", "")
	n.Conn.UnderlyingConn().Close()
	w.Call("POST", path+"/resume", "")
	n.Draining = true // as the agent still was told
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	if m := n.Next(); m.Drain == nil || m.Drain.On {
		t.Fatalf("got %+v", m)
	}
	w.Submit(`{"prompt":"a red circle"}`)
	n.Beat() // no longer draining
	n.Assigned()
}

func TestLeavingIsRemembered(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	n.Send(api.NodeMessage{Leaving: &api.Leaving{Reason: "sleeping"}})
	n.Conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	n.Closed()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	node := coordtest.Decoded[api.Node](t, w.Call("GET", "/easel/v1/nodes/"+n.ID, ""))
	if node.Connected || node.DisconnectReason != "sleeping" {
		t.Errorf("node: %+v", node)
	}
}

func TestNodeThatLostItsAttemptMeanwhile(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	w.Submit(`{"prompt":"a red circle"}`)
	n.Assigned()
	if err := n.Join(""); err != nil { // the agent was killed and holds nothing
		t.Fatal(err)
	}
	if a := n.Assigned(); a.Number != 2 {
		t.Errorf("attempt %d, want 2 at once", a.Number)
	}
}

func TestAssignmentLostWithItsSessionIsNoTry(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	for range tries {
		n.Offered()
		if err := n.Join(""); err != nil { // the node never read it
			t.Fatal(err)
		}
	}
	n.Done(n.Assigned())
	if job = w.Reach(job.ID, coordtest.In(api.StateSucceeded)); job.Attempt != tries+1 {
		t.Errorf("attempt %d", job.Attempt)
	}
}

func TestReconnectAdoptsTheAttempt(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	w.Reach(job.ID, coordtest.In(api.StateRunning))
	n.Conn.UnderlyingConn().Close()
	n.Held = []api.Attempt{a.Attempt, {Job: "older", Number: 1}}
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	if len(n.Welcome.Drop) != 1 || n.Welcome.Drop[0].Job != "older" {
		t.Errorf("drop: %v", n.Welcome.Drop)
	}
	n.Done(a)
	n.Settled(a.Attempt)
	if job = w.Job(job.ID); job.State != api.StateSucceeded || job.Attempt != 1 {
		t.Errorf("job: %s, attempt %d", job.State, job.Attempt)
	}
}

func TestSecondSessionReplacesTheFirst(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	first := *n
	if err := n.Join(""); err != nil {
		t.Fatal(err)
	}
	if closed := first.Closed(); closed.Code != websocket.ClosePolicyViolation {
		t.Errorf("closed with %v", closed)
	}
	w.Submit(`{"prompt":"a red circle"}`)
	n.Assigned()
	if node := coordtest.Decoded[api.Node](t, w.Call("GET", "/easel/v1/nodes/"+n.ID, "")); !node.Connected || len(node.Busy) != 1 {
		t.Errorf("node: %+v", node)
	}
}
