package agent

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
)

// peer is one session as the coordinator sees it.
type peer struct {
	t        *testing.T
	conn     *websocket.Conn
	register api.Register
	messages chan api.NodeMessage // closed when the socket is

	mu     sync.Mutex // of writes, and of latest
	latest api.Progress
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

// cut closes the socket without a close frame.
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
