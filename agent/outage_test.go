package agent

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

func TestSocketDropsAndTheJobRunsOn(t *testing.T) {
	c, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=100ms"))
	id := p.accepted().Attempt
	p.step(2)
	before := children(t)
	p.cut()
	p = receive(t, c.sessions, "second session")
	if !slices.Equal(p.register.Held, []api.Attempt{id}) {
		t.Errorf("held at the second registration: %v, want %v", p.register.Held, id)
	}
	if p.register.JoinToken != "" {
		t.Error("a node that is known shows its join token again")
	}
	done := p.done()
	if done.Attempt != id || len(done.Images) != 1 {
		t.Errorf("done: %+v", done)
	}
	if after := children(t); len(after) != 1 || len(before) != 1 || after[0].Pid != before[0].Pid {
		t.Errorf("the runtime was restarted: %v, then %v", before, after)
	}
	p.settle(id)
	emptied(t, p, data)
	r.stop()
	for m := range p.messages {
		if m.Done != nil {
			t.Error("done was sent twice in one session")
		}
	}
}

func TestCoordinatorAwayWhenTheUploadIsDue(t *testing.T) {
	c, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=20ms"))
	id := p.accepted().Attempt
	p.step(2)
	c.stop()
	waitStage(t, data, stageDone)
	c.start()
	p = receive(t, c.sessions, "session after the outage")
	if !slices.Equal(p.register.Held, []api.Attempt{id}) {
		t.Errorf("held: %v, want %v", p.register.Held, id)
	}
	if u := receive(t, c.puts, "upload"); !u.whole {
		t.Error("the upload's digest is wrong")
	}
	p.done()
	p.settle(id)
	emptied(t, p, data)
	r.stop()
}

// waitStage waits until the one entry of a spool has come to a stage.
func waitStage(t *testing.T, data string, want stage) record {
	t.Helper()
	s, err := openSpool(data, discard)
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan record)
	go func() {
		for t.Context().Err() == nil {
			for _, path := range spooled(t, data) {
				if e, err := s.peek(path); err == nil && e.Stage == want {
					found <- e.record
					return
				}
			}
		}
	}()
	return receive(t, found, "stage "+string(want))
}

func TestUploadIsTriedAgainUntilItSucceeds(t *testing.T) {
	c, r, p, data := join(t)
	answers := make(chan int, 3)
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusNoContent} {
		answers <- status
	}
	c.set(func() { c.answer = func(put) int { return <-answers } })
	p.assign(assignment("job-a", "a red circle"))
	done := p.done()
	if len(c.puts) != 1 || len(answers) != 0 {
		t.Errorf("%d uploads succeeded, %d answers are left", len(c.puts), len(answers))
	}
	p.settle(done.Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestUploadAnswersThatEndTheAttempt(t *testing.T) {
	c, r, p, data := join(t)
	for _, status := range []int{401, 403, 404, 409, 410} {
		c.set(func() { c.answer = func(put) int { return status } })
		p.assign(assignment("job-a", "fake:step=20ms", func(s *api.ImageSpec) { s.N = 4 }))
		p.accepted()
		emptied(t, p, data)
	}
	c.set(func() { c.answer = func(put) int { return http.StatusRequestEntityTooLarge } })
	p.assign(assignment("job-b", "a red circle"))
	if got := p.failed(); got.Error.Code != api.CodeUploadFailed {
		t.Errorf("413: got %v, want %s", got.Error, api.CodeUploadFailed)
	}
	p.settle(api.Attempt{Job: "job-b", Number: 1})
	emptied(t, p, data)
	r.stop()
}

func TestSilentCoordinatorCostsTheRunningAttempt(t *testing.T) {
	c := newCoordinator(t, func(c *fakeCoordinator) { c.lease = 0.5 })
	data := t.TempDir()
	r := start(t, config(t, c.url(), data))
	p := receive(t, c.sessions, "registration")
	p.assign(assignment("job-a", "fake:step=10ms"))
	kept := p.done().Attempt // not settled: it must outlive the lease
	p.assign(assignment("job-b", "fake:step=1h"))
	p.accepted()
	c.set(func() { c.deaf = true })
	p = receive(t, c.sessions, "session after the lease") // the reader gave up too
	if !slices.Equal(p.register.Held, []api.Attempt{kept}) {
		p.heartbeat("heartbeat that names only the finished attempt", func(h api.Heartbeat) bool {
			return slices.Equal(h.Held, []api.Attempt{kept})
		})
	}
	c.set(func() { c.deaf = false })
	p.done()
	p.settle(kept)
	emptied(t, p, data)
	r.stop()
}

func TestDropListsEndAttempts(t *testing.T) {
	c, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=1h"))
	id := p.accepted().Attempt
	p.send(api.CoordinatorMessage{Beat: &api.Beat{Drop: []api.Attempt{id}}})
	emptied(t, p, data)
	p.assign(assignment("job-b", "fake:step=1h"))
	id = p.accepted().Attempt
	c.set(func() { c.drop = []api.Attempt{id} })
	p.cut()
	p = receive(t, c.sessions, "second session")
	emptied(t, p, data)
	r.stop()
}

func TestRestartRepeatsWhatIsDone(t *testing.T) {
	c, r, p, data := join(t, func(c *Config) { c.DrainTimeout = 500 * time.Millisecond })
	p.assign(assignment("job-a", "a red circle"))
	first := p.done()
	r.stop() // the coordinator does not settle, so the result is kept
	if len(spooled(t, data)) != 1 {
		t.Fatal("the result is not kept")
	}
	<-c.puts
	r = start(t, config(t, c.url(), data))
	p = receive(t, c.sessions, "registration after the restart")
	if !slices.Equal(p.register.Held, []api.Attempt{first.Attempt}) {
		t.Errorf("held: %v", p.register.Held)
	}
	if again := p.done(); again.Receipt.ImageDigests[0] != first.Receipt.ImageDigests[0] || !again.Receipt.Verify(p.register.PublicKey) {
		t.Errorf("done after the restart: %+v", again)
	}
	if len(c.puts) != 0 {
		t.Error("a delivered image was uploaded again")
	}
	p.settle(first.Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestDrainTimeoutFailsWhatStillRuns(t *testing.T) {
	c, r, p, data := join(t, func(c *Config) { c.DrainTimeout = 1 })
	p.assign(assignment("job-a", "fake:step=1h"))
	id := p.accepted().Attempt
	r.end()
	if got := p.failed(); got.Attempt != id || got.Error.Code != api.CodeNodeStopped {
		t.Errorf("got %+v, want %s", got, api.CodeNodeStopped)
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	r = start(t, config(t, c.url(), data))
	p = receive(t, c.sessions, "registration after the restart")
	p.failed() // sent again, because nobody settled it
	p.settle(id)
	emptied(t, p, data)
	r.stop()
}

func TestDrainFinishesTheJob(t *testing.T) {
	_, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=50ms"))
	id := p.accepted().Attempt
	p.step(1)
	r.end()
	p.heartbeat("heartbeat of a draining node", func(h api.Heartbeat) bool { return h.Draining })
	p.assign(assignment("job-b", "a red circle"))
	if got := p.rejected(); got.Job != "job-b" || got.Error.Code != api.CodeRejected {
		t.Errorf("while draining: %+v", got)
	}
	p.done()
	p.settle(id)
	await(p, "leaving", func(m api.NodeMessage) *api.Leaving { return m.Leaving })
	r.stop()
	if left := spooled(t, data); len(left) > 0 {
		t.Errorf("left in the spool: %v", left)
	}
}
