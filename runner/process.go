package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/process"
)

// A Process is the agent's handle on one runtime subprocess. It runs one job at a time. When the
// process has ended, Done is closed and every call returns an *api.Error with the cause;
// start another Process then.
type Process struct {
	options Options
	launch  string
	command *exec.Cmd
	tree    *process.Tree
	in      io.WriteCloser
	out     *lineWriter
	words   *process.LastWords
	runtime api.Runtime

	job    sync.Mutex               // held while a job runs
	wanted atomic.Pointer[listener] // nil while nobody reads events
	events chan Event               // closed after done
	done   chan struct{}
	ended  error // valid after done is closed

	reasonMu sync.Mutex
	reason   error // why we ended it; nil while we did not
}

// A listener reads the events of one job; "" is the hello.
type listener struct {
	job  string
	gone chan struct{} // closed when it reads no more
}

// listen begins to take the events of a job; leave ends that.
func (p *Process) listen(job string) (leave func()) {
	l := &listener{job: job, gone: make(chan struct{})}
	p.wanted.Store(l)
	return func() {
		p.wanted.Store(nil)
		close(l.gone)
	}
}

// Start starts the subprocess and waits for its hello. The process outlives ctx, which bounds the
// start alone; end it with Stop.
func Start(ctx context.Context, options Options) (*Process, error) {
	o := options.withDefaults()
	p := &Process{options: o, launch: rand.Text(), events: make(chan Event), done: make(chan struct{})}
	defer p.listen("")()
	p.words = &process.LastWords{Line: func(line string) { o.Log.Debug("runtime stderr", "line", line) }}
	if err := p.launchChild(); err != nil {
		return nil, api.Errorf(api.CodeRuntimeCrashed, "start runtime %s: %v", o.Command[0], err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.HelloTimeout)
	defer cancel()
	if err := p.awaitHello(ctx); err != nil {
		p.Kill(err)
		p.drain()
		return nil, err
	}
	return p, nil
}

func (p *Process) launchChild() error {
	command := exec.Command(p.options.Command[0], p.options.Command[1:]...)
	command.Env = append(append(environment(), p.options.Env...), EnvLaunch+"="+p.launch)
	command.Dir = p.options.Dir
	command.Stderr = p.words
	// A grandchild that keeps stderr open must not keep Wait from returning.
	command.WaitDelay = 2 * time.Second
	stdin, err := command.StdinPipe()
	if err != nil {
		return err
	}
	// Not StdoutPipe: Wait would close it under a reader that has not seen the last lines yet.
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return err
	}
	command.Stdout = childOut
	tree, err := process.Start(command)
	childOut.Close()
	if err != nil {
		stdout.Close()
		return err
	}
	p.command, p.tree, p.in, p.out = command, tree, stdin, &lineWriter{w: stdin}
	go p.read(stdout)
	return nil
}

// environment is the agent's own without its secrets: an engine has no use for them.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "EASEL_JOIN_TOKEN" || name == "EASEL_KEY"
	})
}

// read forwards the child's events until its stdout ends, then waits for the process itself. It is
// the one goroutine of a Process, and the only writer of ended.
func (p *Process) read(stdout *os.File) {
	defer stdout.Close()
	scanner := lines(stdout)
	for scanner.Scan() {
		event, err := DecodeEvent(scanner.Bytes())
		if err != nil {
			p.Kill(api.Errorf(api.CodeRuntimeFailed, "the runtime broke the protocol: %v", err))
			break
		}
		// Lines of an earlier launch or job are dropped here, so that a child that writes while
		// nobody reads cannot hide its own end behind them.
		if l := p.wanted.Load(); event.Launch == p.launch && l != nil && event.Job == l.job {
			select {
			case p.events <- event:
			case <-l.gone: // the job has its answer, and the child goes on writing
			}
		}
	}
	if err := scanner.Err(); err != nil {
		p.Kill(api.Errorf(api.CodeRuntimeFailed, "the runtime broke the protocol: %v", err))
	}
	p.tree.KillAfter(p.options.CancelGrace)
	err := p.command.Wait()
	p.tree.Kill() // what the child left behind
	p.tree.Close()
	p.ended = p.cause(err)
	close(p.done)
	close(p.events)
}

// cause is the error the process ended with: our own reason for killing it, or its exit status and last words.
func (p *Process) cause(err error) error {
	p.reasonMu.Lock()
	defer p.reasonMu.Unlock()
	if p.reason != nil {
		return p.reason
	}
	text := "it exited"
	if err != nil {
		text = err.Error()
	}
	if words := p.words.String(); words != "" {
		text += "; its last words: " + words
	}
	return api.Errorf(api.CodeRuntimeCrashed, "the runtime process ended: %s", text)
}

func (p *Process) awaitHello(ctx context.Context) error {
	select {
	case e, ok := <-p.events:
		switch {
		case !ok:
			return p.ended
		case e.Error != nil:
			return e.Error
		case e.Hello == nil:
			return api.Errorf(api.CodeRuntimeFailed, "the runtime broke the protocol: its first line is not hello")
		}
		p.runtime = e.Hello.Runtime
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return api.Errorf(api.CodeCanceled, "canceled")
		}
		return api.Errorf(api.CodeRuntimeHung, "the runtime reported nothing for %s after its start", p.options.HelloTimeout)
	}
}

// Runtime is the description that the child gave in its hello.
func (p *Process) Runtime() api.Runtime { return p.runtime }

// PID is the child's process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is the cause of the process's end; nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.ended
	default:
		return nil
	}
}

// Kill ends the process and everything it started, at once. The first reason given is what calls
// return; with nil they return how the child ended by itself.
func (p *Process) Kill(reason error) {
	p.because(reason)
	p.tree.Kill()
}

// because records why we end the process; the first reason is kept.
func (p *Process) because(reason error) {
	p.reasonMu.Lock()
	defer p.reasonMu.Unlock()
	if p.reason == nil {
		p.reason = reason
	}
}

// drain discards events until the process has ended.
func (p *Process) drain() {
	for range p.events {
	}
}

var errStopped = &api.Error{Code: api.CodeNodeStopped, Message: "the runtime was stopped"}

// Stop ends the process: EOF on its stdin first, a kill of the tree when ctx ends or after
// CancelGrace. It returns when the process is gone.
func (p *Process) Stop(ctx context.Context) {
	p.because(errStopped)
	_ = p.in.Close()
	timeout := time.After(p.options.CancelGrace)
	for {
		select {
		case <-p.done:
			return
		case <-p.events: // nobody else may be reading
		case <-ctx.Done():
			p.tree.Kill()
			ctx = context.Background() // once is enough
		case <-timeout:
			p.tree.Kill()
		}
	}
}
