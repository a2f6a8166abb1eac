package agent

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

const (
	restartBase  = 500 * time.Millisecond
	restartLimit = 30 * time.Second
	soundAfter   = time.Minute      // a process that lived this long did not fail at its start
	stopLimit    = 5 * time.Second  // for a runtime to exit when the agent does
	upLimit      = 90 * time.Second // for an accepted attempt to wait for a runtime that went down
)

// supervised keeps one runtime subprocess alive: when it ended, another is started.
//
//	down -> up -> down -> (backoff) -> up ...
type supervised struct {
	command Command
	options runner.Options
	log     *slog.Logger
	changed func() // called when the runtime describes itself differently than before

	mu      sync.Mutex
	process *runner.Process // nil while down
	why     error           // why it is down
	info    api.Runtime     // the last description; its name is "" before the first
	moved   chan struct{}   // closed, and another made, when process changes
}

func newSupervised(command Command, options runner.Options, log *slog.Logger, changed func()) *supervised {
	options.Command, options.Env, options.Log = command.Args, command.Env, log
	return &supervised{command: command, options: options, log: log, changed: changed, moved: make(chan struct{})}
}

// start starts the subprocess and waits for its description.
func (s *supervised) start(ctx context.Context) error {
	p, err := runner.Start(ctx, s.options)
	if err != nil {
		s.log.Warn("runtime did not start", "error", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.why = err
		return err
	}
	s.log.Info("runtime started", "pid", p.PID(), "version", p.Runtime().Version)
	s.mu.Lock()
	differs := !reflect.DeepEqual(s.info, p.Runtime())
	s.info = p.Runtime()
	s.move(p, nil)
	s.mu.Unlock()
	if differs {
		s.changed()
	}
	return nil
}

// move changes between up and down; the caller holds mu.
func (s *supervised) move(p *runner.Process, why error) {
	s.process, s.why = p, why
	close(s.moved)
	s.moved = make(chan struct{})
}

// run restarts the subprocess whenever it ended, and stops it when ctx ends.
func (s *supervised) run(ctx context.Context) {
	pause := backoff{base: restartBase, limit: restartLimit}
	for ctx.Err() == nil {
		if p := s.current(); p != nil {
			if s.watch(ctx, p) >= soundAfter {
				pause.reset()
			}
		}
		if pause.waitFull(ctx); ctx.Err() == nil {
			_ = s.start(ctx) // logged there, and tried again here
		}
	}
	if p := s.current(); p != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		p.Stop(limited)
	}
}

// watch waits for the end of the process, or of ctx, and says how long the process lived.
func (s *supervised) watch(ctx context.Context, p *runner.Process) time.Duration {
	born := time.Now()
	select {
	case <-ctx.Done():
		return 0
	case <-p.Done():
	}
	s.log.Warn("runtime ended", "pid", p.PID(), "error", p.Err())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(nil, p.Err())
	return time.Since(born)
}

func (s *supervised) current() *runner.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

func (s *supervised) description() api.Runtime {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// whyDown is nil while the process is up.
func (s *supervised) whyDown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return s.process.Err() // it may have ended a moment ago
	}
	return s.why
}

// await returns the process, waiting for one that is being restarted.
func (s *supervised) await(ctx context.Context) (*runner.Process, error) {
	limit := time.NewTimer(upLimit)
	defer limit.Stop()
	for {
		s.mu.Lock()
		p, moved, why := s.process, s.moved, s.why
		s.mu.Unlock()
		if p != nil && p.Err() == nil {
			return p, nil
		}
		select {
		case <-moved:
		case <-limit.C:
			return nil, api.Errorf(api.CodeRuntimeCrashed, "the runtime does not come back: %v", why)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
