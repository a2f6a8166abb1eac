package runner

import (
	"context"
	"errors"
	"image"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
)

// Serve is the child's main loop: it answers the agent on out until in ends, which means the agent
// is gone. It then returns nil at once, without waiting for a job that is still running; the
// caller exits, and that ends the job. Nothing but Serve may write to out.
func Serve(rt Runtime, in io.Reader, out io.Writer, log *slog.Logger) error {
	s := &server{runtime: rt, out: &lineWriter{w: out}, log: log, launch: os.Getenv(EnvLaunch)}
	info, err := rt.Describe()
	if err != nil {
		e := api.AsError(err, api.CodeRuntimeFailed)
		return errors.Join(err, s.send(Event{Error: e}))
	}
	if err := s.send(Event{Hello: &Hello{Protocol: ProtocolVersion, Runtime: info}}); err != nil {
		return err
	}
	requests := lines(in)
	for requests.Scan() {
		r, err := DecodeRequest(requests.Bytes())
		if err != nil {
			return err // the stream is broken: where the next line begins is unknown
		}
		if r.Launch == s.launch {
			s.handle(r)
		}
	}
	return requests.Err()
}

// server is the state of Serve. At most one job runs; current is its cancel function.
type server struct {
	runtime Runtime
	out     *lineWriter
	log     *slog.Logger
	launch  string

	mu      sync.Mutex
	job     string // "" when idle
	current context.CancelFunc
}

func (s *server) send(e Event) error {
	e.Launch = s.launch
	return s.out.write(e)
}

func (s *server) handle(r Request) {
	switch {
	case r.Cancel != nil:
		s.mu.Lock()
		if s.job == r.Job && s.current != nil {
			s.current()
		}
		s.mu.Unlock()
	case r.Load != nil || r.Generate != nil:
		ctx, ok := s.begin(r.Job)
		if !ok {
			s.finish(r.Job, Made{}, api.Errorf(api.CodeRejected, "the runtime is busy with another job"))
			return
		}
		go s.work(ctx, r)
	default: // a request of a newer agent
		s.log.Warn("unknown request ignored", "job", r.Job)
	}
}

func (s *server) begin(job string) (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return nil, false
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.job, s.current = job, cancel
	return ctx, true
}

// work runs one request to its end. The slot is free before the answer goes out, because the agent
// may send the next request the moment it reads the answer.
func (s *server) work(ctx context.Context, r Request) {
	made, err := s.run(ctx, r)
	if err != nil && ctx.Err() != nil {
		err = api.Errorf(api.CodeCanceled, "canceled")
	}
	s.mu.Lock()
	s.current()
	s.job, s.current = "", nil
	s.mu.Unlock()
	s.finish(r.Job, made, err)
}

// run calls the runtime; a panic in it is a failure of this job and not of the process.
func (s *server) run(ctx context.Context, r Request) (made Made, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("runtime panicked", "panic", p, "stack", string(debug.Stack()))
			err = api.Errorf(api.CodeRuntimeFailed, "the runtime panicked: %v", p)
		}
	}()
	if r.Load != nil {
		return Made{}, s.runtime.Load(ctx, r.Load.Model)
	}
	if faults := r.Generate.Spec.Faults(); len(faults) > 0 {
		return Made{}, api.Invalid(faults)
	}
	info, err := s.runtime.Describe()
	if err != nil {
		return Made{}, err
	}
	if err := info.Check(r.Generate.Spec); err != nil {
		return Made{}, err
	}
	inputs, err := picture.Read(r.Generate.Dir, r.Generate.Spec)
	if err != nil {
		return Made{}, err
	}
	return s.runtime.Generate(ctx, r.Generate.Spec, inputs, s.sink(r))
}

func (s *server) finish(job string, made Made, err error) {
	event := Event{Job: job, Done: &made}
	if err != nil {
		event = Event{Job: job, Error: api.AsError(err, api.CodeRuntimeFailed)}
	}
	if err := s.send(event); err != nil {
		s.log.Error("answer lost", "job", job, "error", err)
	}
}

// sink writes finished images into the job's directory and forwards the rest as events.
func (s *server) sink(r Request) Sink {
	every := r.Generate.PreviewEvery
	return Sink{
		PreviewEvery: every,
		Progress:     func(p api.Progress) { s.sendOrLog(Event{Job: r.Job, Progress: &p}) },
		Preview: func(index, step int, unfinished image.Image) {
			if every <= 0 || step%every != 0 {
				return
			}
			jpeg, err := picture.Preview(unfinished)
			if err != nil {
				s.log.Warn("preview dropped", "error", err)
				return
			}
			s.sendOrLog(Event{Job: r.Job, Preview: &Preview{Image: index, Step: step, JPEG: jpeg}})
		},
		Image: func(f Finished) error {
			name, plain, err := picture.WritePlain(r.Generate.Dir, f.Index, f.Picture)
			if err != nil {
				return err
			}
			plain.Seed, plain.Flagged = f.Seed, f.Flagged
			return s.send(Event{Job: r.Job, Image: &File{Name: name, Image: plain}})
		},
	}
}

func (s *server) sendOrLog(e Event) {
	if err := s.send(e); err != nil {
		s.log.Warn("event lost", "error", err)
	}
}
