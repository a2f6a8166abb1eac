package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
)

const (
	defaultBeat  = 5 * time.Second
	defaultLease = 30 * time.Second
	closeLimit   = time.Second // for the coordinator to answer when we close
)

// session is one registered websocket to the coordinator. Three loops share it: read, write and
// beat. The first to end ends the session; jobs go on without it.
type session struct {
	agent *agent
	conn  *websocket.Conn
	out   *outbox
	beat  time.Duration // between heartbeats
	lease time.Duration // that a Beat grants
}

func newSession(a *agent, conn *websocket.Conn, r api.Registered) *session {
	return &session{
		agent: a, conn: conn, out: newOutbox(),
		beat: seconds(r.HeartbeatSeconds, defaultBeat), lease: seconds(r.LeaseSeconds, defaultLease),
	}
}

// seconds turns a coordinator's number into a duration that makes sense.
func seconds(s float64, otherwise time.Duration) time.Duration {
	if !(s > 0) {
		return otherwise
	}
	return max(time.Duration(min(s, 3600)*float64(time.Second)), time.Millisecond) // a ticker takes no 0
}

var errLeft = errors.New("the agent left")

// run exchanges messages with the coordinator until the socket fails, the coordinator ends the session,
// or ctx does, in which case the node reports that it leaves.
func (s *session) run(ctx context.Context) error {
	defer s.conn.Close()
	inner, end := context.WithCancelCause(context.WithoutCancel(ctx))
	leave := context.AfterFunc(ctx, func() { end(errLeft) })
	defer leave()
	s.agent.slots.attach(s.out)
	var writing, reading sync.WaitGroup
	writing.Go(func() { end(s.writeLoop()) })
	writing.Go(func() { s.beatLoop(inner) })
	reading.Go(func() { end(s.readLoop(inner)) })
	select {
	case <-s.agent.changed:
		end(errChanged)
	case <-inner.Done():
	}
	s.agent.slots.detach()
	why := context.Cause(inner)
	if errors.Is(why, errLeft) {
		s.out.put(api.NodeMessage{Leaving: &api.Leaving{Reason: "stopping"}})
	}
	s.out.close()
	writing.Wait()
	s.closeSocket(&reading)
	return why
}

// closeSocket closes the socket in such an order that the last frames arrive: data that is still
// unread at a plain close makes the system throw away what the other side has not read either. So
// reading goes on until the other side closes too, though not for long.
func (s *session) closeSocket(reading *sync.WaitGroup) {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if s.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(closeLimit)) != nil {
		s.conn.Close()
	}
	enough := time.AfterFunc(closeLimit, func() { s.conn.Close() })
	defer enough.Stop()
	reading.Wait()
}

// writeLoop is the only one to write data frames.
func (s *session) writeLoop() error {
	for {
		m, err := s.out.take()
		if err != nil {
			return err
		}
		if err := writeFrame(s.conn, m); err != nil {
			s.out.close()
			return fmt.Errorf("write to the coordinator: %w", err)
		}
	}
}

// readLoop handles the coordinator's messages. After the session's end it only reads on, until the
// socket closes.
func (s *session) readLoop(ctx context.Context) error {
	for {
		if ctx.Err() == nil {
			if err := s.conn.SetReadDeadline(time.Now().Add(s.lease)); err != nil {
				return err
			}
		}
		m, err := readFrame(s.conn)
		if err != nil {
			return fmt.Errorf("read from the coordinator: %w", err)
		}
		if ctx.Err() != nil {
			continue
		}
		if err := s.handle(ctx, m); err != nil {
			return err
		}
	}
}

func (s *session) handle(ctx context.Context, m api.CoordinatorMessage) error {
	slots := s.agent.slots
	switch {
	case m.Beat != nil:
		s.agent.lease.renew(ctx, s.lease)
		slots.drop(errDropped, m.Beat.Drop...)
	case m.Assign != nil:
		slots.assign(*m.Assign)
	case m.Cancel != nil:
		slots.drop(errDropped, m.Cancel.Attempt)
	case m.Settled != nil:
		slots.drop(errSettled, m.Settled.Attempt)
	case m.Drain != nil:
		slots.order(m.Drain.On)
	case m.Refused != nil:
		return refusal(*m.Refused)
	}
	return nil
}
