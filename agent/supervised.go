package agent

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/backoff"
	"github.com/easelgrid/easel/runner"
)

const (
	restartSoon = 2 * time.Second // a wait so short that attempts may wait with us
	soundAfter  = time.Minute     // a process that lived this long did not fail at its start
	stopLimit   = 5 * time.Second // for a runtime to exit when the agent does
)

// restartPauses have no jitter: a runtime is a local thing that nobody else competes for.
var restartPauses = backoff.Policy{Base: 500 * time.Millisecond, Limit: 30 * time.Second}

// supervised keeps one runtime subprocess alive: when it ended, another is started.
//
//	up -> restarting -> up
//	          \-> down -> (backoff) -> up | down
//
// Restarting takes new attempts, which wait for it: a node whose runtime died once is as good as
// before half a second later. Down takes none: it ended too often of late, or did not start.
type supervised struct {
	command Command
	options runner.Options
	log     *slog.Logger
	changed func() // called when the runtime describes itself differently than before

	mu      sync.Mutex
	process *runner.Process // nil unless up
	soon    bool            // restarting
	why     error           // why it is not up
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
		s.move(nil, err, false)
		return err
	}
	s.log.Info("runtime started", "pid", p.PID(), "version", p.Runtime().Version)
	s.mu.Lock()
	differs := !reflect.DeepEqual(s.info, p.Runtime())
	s.info = p.Runtime()
	s.move(p, nil, false)
	s.mu.Unlock()
	if differs {
		s.changed()
	}
	return nil
}

// move changes the state; the caller holds mu.
func (s *supervised) move(p *runner.Process, why error, soon bool) {
	s.process, s.why, s.soon = p, why, soon
	close(s.moved)
	s.moved = make(chan struct{})
}

// run restarts the subprocess whenever it ended, and stops it when ctx ends.
func (s *supervised) run(ctx context.Context) {
	pause := backoff.Backoff{Policy: restartPauses}
	for ctx.Err() == nil {
		if p := s.current(); p != nil {
			s.watch(ctx, p, &pause)
		}
		if pause.Wait(ctx); ctx.Err() == nil {
			_ = s.start(ctx) // logged there, and tried again here
		}
	}
	if p := s.current(); p != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		p.Stop(limited)
	}
}

// watch waits for the end of the process, or of ctx.
func (s *supervised) watch(ctx context.Context, p *runner.Process, pause *backoff.Backoff) {
	born := time.Now()
	select {
	case <-ctx.Done():
		return
	case <-p.Done():
	}
	s.log.Warn("runtime ended", "pid", p.PID(), "error", p.Err())
	if time.Since(born) >= soundAfter {
		pause.Reset()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(nil, p.Err(), pause.Next() <= restartSoon)
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

// whyDown is nil while the process is up or restarting.
func (s *supervised) whyDown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil || s.soon {
		return nil
	}
	return s.why
}

// await returns the process, waiting for one that is restarting. When none comes the attempt has not
// begun, and its error has the code of a rejection: a crash would count against its job.
func (s *supervised) await(ctx context.Context) (*runner.Process, error) {
	for {
		s.mu.Lock()
		p, soon, why, moved := s.process, s.soon, s.why, s.moved
		s.mu.Unlock()
		switch {
		case p != nil && p.Err() == nil:
			return p, nil
		case p == nil && !soon:
			return nil, api.Errorf(api.CodeRejected, "the runtime does not come back: %v", why)
		}
		select {
		case <-moved: // also from a process that ended and was not missed yet
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
