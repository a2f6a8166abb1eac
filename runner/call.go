package runner

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
)

// A Watch takes what happens during Generate. Any function may be nil. They are called from the
// goroutine of Generate.
type Watch struct {
	Progress func(api.Progress)
	Preview  func(Preview)
	Image    func(path string, image api.Image) error // an error cancels the job
}

// Load brings a model into the child's memory.
func (p *Process) Load(ctx context.Context, model string) error {
	_, err := p.call(ctx, Request{Load: &Load{Model: model}}, Watch{})
	return err
}

// Generate makes the images of a spec in dir, which must exist. When ctx ends the child is asked to
// cancel; one that does not within CancelGrace is killed. A child that is silent for StallTimeout
// is killed too. Errors are *api.Error.
//
// The pictures that the spec names are in dir under their [api.Input.FileName]. What is the same for
// every runtime is done here and not in the child. Inputs are decoded and brought to size. In finished
// images what lies outside a mask is restored, the safety action is taken, the background is made
// transparent; then they are encoded in their format, with the parameters they were made with.
func (p *Process) Generate(ctx context.Context, spec api.ImageSpec, dir string, previewEvery int, watch Watch) (Made, error) {
	if err := api.Invalid(spec.Faults()); err != nil {
		return Made{}, err // NaN, for one, does not survive JSON
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Made{}, fmt.Errorf("job directory: %w", err)
	}
	inputs, err := picture.Prepare(dir, spec)
	if err != nil {
		return Made{}, err
	}
	finish, err := picture.NewFinisher(dir, spec, inputs, p.Runtime())
	if err != nil {
		return Made{}, err
	}
	inner := watch.Image
	watch.Image = nil
	take := func(f File) error {
		path, image, err := finish.File(f.Name, f.Image)
		if err != nil || inner == nil {
			return err
		}
		return inner(path, image)
	}
	if spec.SafetyCheck && !harmless(p.Runtime(), spec.Model) {
		previewEvery = 0 // an unfinished picture has not been checked
	}
	return p.callTaking(ctx, Request{Generate: &Generate{Spec: spec, Dir: dir, PreviewEvery: previewEvery}}, watch, take)
}

// harmless reports whether nothing that the model can draw needs a safety check.
func harmless(info api.Runtime, model string) bool {
	m, ok := info.FindModel(model)
	return ok && m.ClosedVocabulary
}

func (p *Process) call(ctx context.Context, r Request, watch Watch) (Made, error) {
	return p.callTaking(ctx, r, watch, nil)
}

// callTaking sends a request and follows its events to the end.
func (p *Process) callTaking(ctx context.Context, r Request, watch Watch, take func(File) error) (Made, error) {
	p.job.Lock()
	defer p.job.Unlock()
	r.Launch, r.Job = p.launch, rand.Text()
	defer p.listen(r.Job)()
	if err := p.send(r, p.options.StallTimeout); err != nil {
		// A broken pipe means that the child has ended; how it ended is the better error.
		p.Kill(nil)
		p.drain()
		return Made{}, p.ended
	}
	c := call{process: p, job: r.Job, watch: watch, take: take}
	return c.follow(ctx)
}

// send writes a request. A child that does not read it is killed after the time given, which also ends
// the write: a pipe holds little, on Windows 4 KiB.
func (p *Process) send(r Request, limit time.Duration) error {
	stuck := time.AfterFunc(limit, func() {
		p.Kill(api.Errorf(api.CodeRuntimeHung, "the runtime did not read its stdin for %s and was killed", limit))
	})
	defer stuck.Stop()
	return p.out.write(r)
}

// call is one request that has been sent and not answered.
type call struct {
	process *Process
	job     string // its reference on the wire
	watch   Watch
	take    func(File) error
	failure error // our own, while the child is still canceling
}

// follow waits for the answer. Three clocks can end it early: ctx, the stall timeout and, once
// canceled, the grace period.
func (c *call) follow(ctx context.Context) (Made, error) {
	o := c.process.options
	stall, canceled := time.NewTimer(o.StallTimeout), ctx.Done()
	defer stall.Stop()
	var grace <-chan time.Time
	cancel := func() {
		canceled = nil
		grace = time.After(o.CancelGrace)
		_ = c.process.send(Request{Launch: c.process.launch, Job: c.job, Cancel: &Cancel{}}, o.CancelGrace)
	}
	for {
		select {
		case e, ok := <-c.process.events:
			if !ok {
				return Made{}, c.outcome(ctx, c.process.ended)
			}
			if e.Job != c.job { // of an earlier call, whose child went on writing
				continue
			}
			stall.Reset(o.StallTimeout)
			if e.Done != nil || e.Error != nil {
				return c.answer(ctx, e)
			}
			if err := c.observe(e); err != nil && c.failure == nil {
				c.failure = err
				cancel()
			}
		case <-canceled:
			cancel()
		case <-grace:
			c.process.Kill(api.Errorf(api.CodeRuntimeHung, "the runtime ignored a cancel for %s and was killed", o.CancelGrace))
			grace = nil
		case <-stall.C:
			c.process.Kill(api.Errorf(api.CodeRuntimeHung, "the runtime reported nothing for %s and was killed", o.StallTimeout))
		}
	}
}

func (c *call) observe(e Event) error {
	switch {
	case e.Progress != nil && c.watch.Progress != nil:
		c.watch.Progress(*e.Progress)
	case e.Preview != nil && c.watch.Preview != nil:
		c.watch.Preview(*e.Preview)
	case e.Image != nil && c.take != nil:
		return c.take(*e.Image)
	}
	return nil
}

func (c *call) answer(ctx context.Context, e Event) (Made, error) {
	if e.Error != nil {
		return Made{}, c.outcome(ctx, e.Error)
	}
	if c.failure != nil {
		return Made{}, c.failure
	}
	return *e.Done, nil
}

// outcome is our own failure first, then the fact that the caller canceled, then the child's error.
func (c *call) outcome(ctx context.Context, err error) error {
	if c.failure != nil {
		return c.failure
	}
	if ctx.Err() != nil {
		return api.Errorf(api.CodeCanceled, "canceled")
	}
	return err
}
