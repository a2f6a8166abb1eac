package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

// works checks that the node makes a picture, once its runtime is back.
func works(t *testing.T, p *peer, data string) {
	t.Helper()
	a := assignment("job-after", "a red circle")
	for {
		p.assign(a)
		answered := await(p, "accept or reject", func(m api.NodeMessage) *bool {
			switch {
			case m.Accept != nil:
				return new(true)
			case m.Reject != nil:
				return new(false)
			}
			return nil
		})
		if answered {
			break
		}
		p.heartbeat("heartbeat", func(api.Heartbeat) bool { return true }) // paces the tries
	}
	p.settle(p.done().Attempt)
	emptied(t, p, data)
}

func TestRuntimeKilledMidJob(t *testing.T) {
	_, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=100ms"))
	id := p.accepted().Attempt
	p.step(1)
	victims := children(t)
	if len(victims) != 1 {
		t.Fatalf("%d runtime processes, want 1", len(victims))
	}
	if err := victims[0].Kill(); err != nil {
		t.Fatal(err)
	}
	if got := p.failed(); got.Attempt != id || got.Error.Code != api.CodeRuntimeCrashed {
		t.Errorf("got %+v, want %s", got, api.CodeRuntimeCrashed)
	}
	again := assignment("job-a", "a red circle")
	again.Number = 2
	p.assign(again)
	p.accepted() // it waits for the runtime that is being restarted
	p.settle(p.done().Attempt)
	p.settle(id)
	emptied(t, p, data)
	r.stop()
}

func TestRuntimeThatDoesNotComeBack(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "flag")
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, r, p, data := join(t, func(c *Config) {
		c.Commands[0].Env = append(c.Commands[0].Env, envRuntime+"=once", envFlag+"="+flag)
	})
	p.assign(assignment("job-a", "fake:crash=1"))
	p.settle(p.failed().Attempt)
	p.assign(assignment("job-b", "a red circle"))
	p.accepted()
	failed := p.failed()
	if failed.Error.Code != api.CodeRejected || !strings.Contains(failed.Error.Message, "no such file") {
		t.Errorf("got %+v, want %s with the last words", failed, api.CodeRejected)
	}
	p.settle(failed.Attempt)
	p.assign(assignment("job-c", "a red circle"))
	if got := p.rejected(); got.Error.Code != api.CodeRejected || !strings.Contains(got.Error.Message, "down") {
		t.Errorf("got %+v, want a rejection because the runtime is down", got)
	}
	emptied(t, p, data)
	r.stop()
}

func TestRuntimeFaultsBecomeFailures(t *testing.T) {
	_, r, p, data := join(t)
	for _, c := range []struct {
		name, prompt string
		code         api.Code
		words        string
	}{
		{"crash", "fake:crash=3", api.CodeRuntimeCrashed, "ordered to crash"},
		{"panic", "fake:panic=3", api.CodeRuntimeFailed, "ordered to panic"},
		{"out of memory", "fake:oom", api.CodeOutOfMemory, "out of memory"},
		{"failure", "fake:fail=2", api.CodeRuntimeFailed, "ordered to fail"},
		{"requester's error", "fake:nonsense", api.CodeInvalidRequest, "nonsense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.assign(assignment("job-a", c.prompt))
			id := p.accepted().Attempt
			if got := p.failed(); got.Attempt != id || got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.words) {
				t.Errorf("got %+v, want %s with %q", got, c.code, c.words)
			}
			p.settle(id)
			works(t, p, data)
		})
	}
	r.stop()
}

func TestRuntimeThatSaysTooMuch(t *testing.T) {
	_, r, p, data := join(t, func(c *Config) { c.Commands[0].Env = append(c.Commands[0].Env, envRuntime+"=wordy") })
	for _, prompt := range []string{"faults", "code", "receipt"} {
		p.assign(assignment("job-"+prompt, prompt))
		p.accepted()
		p.settle(p.failed().Attempt) // in the same session: nothing was too long for it
	}
	p.assign(assignment("job-phase", "phase"))
	p.settle(p.done().Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestRuntimeThatHangs(t *testing.T) {
	_, r, p, data := join(t, func(c *Config) { c.StallTimeout = 500 * time.Millisecond })
	p.assign(assignment("job-a", "fake:hang=2"))
	id := p.accepted().Attempt
	if got := p.failed(); got.Error.Code != api.CodeRuntimeHung {
		t.Errorf("got %+v, want %s", got, api.CodeRuntimeHung)
	}
	p.settle(id)
	works(t, p, data)
	r.stop()
}

// long makes a job that takes as many steps as may be.
func long(s *api.ImageSpec) { s.Steps = api.MaxSteps }

func TestCancelMidStep(t *testing.T) {
	for _, c := range []struct{ name, prompt string }{
		{"in a step", "fake:step=100ms"},
		{"of a hanging runtime", "fake:hang=2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, r, p, data := join(t)
			before := children(t)
			p.assign(assignment("job-a", c.prompt, long))
			id := p.accepted().Attempt
			p.step(1)
			p.cancelJob(id)
			emptied(t, p, data)
			works(t, p, data)
			if after := children(t); len(after) != 1 || after[0].Pid != before[0].Pid {
				t.Error("a cancel that is obeyed must not cost the process")
			}
			r.stop()
		})
	}
}

func TestCancelThatIsIgnoredKillsTheRuntime(t *testing.T) {
	_, r, p, data := join(t, func(c *Config) { c.CancelGrace = 200 * time.Millisecond })
	before := children(t)
	p.assign(assignment("job-a", "fake:ignore-cancel fake:step=100ms", long))
	id := p.accepted().Attempt
	p.step(1)
	p.cancelJob(id)
	works(t, p, data)
	if after := children(t); len(after) != 1 || after[0].Pid == before[0].Pid {
		t.Error("the runtime that ignored the cancel still runs")
	}
	r.stop()
}

func TestCancelWhileTheSlotIsTakenOver(t *testing.T) {
	_, r, p, data := join(t)
	p.assign(assignment("job-a", "fake:step=1h"))
	first := p.accepted().Attempt
	p.assign(assignment("job-b", "a red circle"))
	if got := p.rejected(); got.Job != "job-b" || got.Error.Code != api.CodeRejected || !strings.Contains(got.Error.Message, "busy") {
		t.Errorf("while busy: %+v", got)
	}
	p.cancelJob(first)
	p.assign(assignment("job-c", "a red circle")) // the slot is promised before the runtime let go of it
	if got := p.accepted(); got.Job != "job-c" {
		t.Errorf("accepted %+v, want job-c", got)
	}
	p.settle(p.done().Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestAssignmentsThatAreRejected(t *testing.T) {
	_, r, p, data := join(t)
	for _, c := range []struct {
		name   string
		adjust func(*api.Assign)
		code   api.Code
	}{
		{"runtime", func(a *api.Assign) { a.Runtime = "sdcpp" }, api.CodeRejected},
		{"model", func(a *api.Assign) { a.Spec.Model = "sdxl" }, api.CodeModelNotFound},
		{"LoRA", func(a *api.Assign) { a.Spec.LoRAs = []api.LoRA{{Name: "x", Weight: 1}} }, api.CodeLoRANotFound},
		{"scheduler", func(a *api.Assign) { a.Spec.Scheduler = "x" }, api.CodeInvalidRequest},
		{"steps", func(a *api.Assign) { a.Spec.Steps = 0 }, api.CodeInvalidRequest},
		{"job that is a path", func(a *api.Assign) { a.Job = "../../etc" }, api.CodeRejected},
		{"attempt", func(a *api.Assign) { a.Number = 0 }, api.CodeRejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := assignment("job-a", "a red circle")
			c.adjust(&a)
			p.assign(a)
			if got := p.rejected(); got.Attempt != a.Attempt || got.Error.Code != c.code {
				t.Errorf("got %+v, want %s", got, c.code)
			}
		})
	}
	emptied(t, p, data)
	r.stop()
}

func TestNewerAttemptFencesTheOlder(t *testing.T) {
	_, r, p, data := join(t)
	first := assignment("job-a", "fake:step=1h")
	p.assign(first)
	p.accepted()
	p.assign(first)
	p.accepted() // a duplicate is the same promise
	second := assignment("job-a", "a red circle")
	second.Number = 2
	p.assign(second)
	p.accepted()
	p.assign(first)
	if got := p.rejected(); got.Number != 1 {
		t.Errorf("got %+v, want attempt 1 rejected", got)
	}
	done := p.done()
	if done.Number != 2 {
		t.Errorf("done: attempt %d, want 2", done.Number)
	}
	p.settle(done.Attempt)
	emptied(t, p, data)
	r.stop()
}

func TestCoordinatorOrdersDrain(t *testing.T) {
	_, r, p, data := join(t)
	for _, on := range []bool{true, false} {
		p.send(api.CoordinatorMessage{Drain: &api.Drain{On: on}})
		p.heartbeat("heartbeat that confirms the order", func(h api.Heartbeat) bool { return h.Draining == on })
		if on {
			p.assign(assignment("job-a", "a red circle"))
			p.rejected()
		}
	}
	works(t, p, data)
	r.stop()
}
