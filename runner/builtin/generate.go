package builtin

import (
	"context"
	"fmt"
	"image"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/noise"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

// Generate makes the picture. A cancelled ctx ends the run within a block of the network, with ctx's error.
// onStep may be nil; it is called after every step on the calling goroutine, and an error from it ends the run.
func (p *Pipeline) Generate(ctx context.Context, r Request, onStep func(Step) error) (*image.NRGBA, error) {
	if err := p.check(r); err != nil {
		return nil, err
	}
	p.arena.Release(nn.Mark{})
	run, err := p.newRun(r)
	if err != nil {
		return nil, err
	}
	if r.Encoded != nil {
		r.Encoded()
	}
	calls, done := len(run.method.Timesteps()), 0
	for i := range calls {
		if err := run.step(ctx, i); err != nil {
			return nil, err
		}
		step := Step{Step: (i + 1) * r.Steps / calls, Steps: r.Steps}
		if onStep == nil || step.Step == done {
			continue
		}
		done = step.Step
		if r.PreviewEvery > 0 && step.Step%r.PreviewEvery == 0 {
			if step.Preview, err = p.preview(ctx, run.original); err != nil {
				return nil, err
			}
		}
		if err := onStep(step); err != nil {
			return nil, err
		}
	}
	return p.picture(ctx, run.sample)
}

// run is the state of one walk from noise to latents.
type run struct {
	pipeline *Pipeline
	request  Request
	method   scheduler.Scheduler
	text     nn.Tensor // states of the negative prompt, if guided, and of the prompt
	sample   nn.Tensor // the latents
	original nn.Tensor // what the last step took them to become
}

// guided is diffusers' do_classifier_free_guidance.
func (r Request) guided() bool { return r.GuidanceScale > 1 }

func (p *Pipeline) newRun(r Request) (*run, error) {
	factor, channels := p.vae.Config.Factor(), p.unet.Config.In
	h, width := r.Height/factor, r.Width/factor
	random := &planar{noise: noise.New(r.Seed), planes: make([]float32, channels*h*width), channels: channels}
	method, err := scheduler.New(r.Scheduler, p.scheduleFor(r.Scheduler), api.SchedulerOptions{}, r.Steps, random)
	if err != nil {
		return nil, err
	}
	w := &run{pipeline: p, request: r, method: method}
	prompts := [][]int{p.tokenizer.Encode(r.Prompt)}
	if r.guided() {
		prompts = [][]int{p.tokenizer.Encode(r.NegativePrompt), prompts[0]}
	}
	if w.text, err = p.text.Forward(&p.arena, prompts, 0); err != nil {
		return nil, fmt.Errorf("encode the prompt: %w", err)
	}
	w.sample = p.arena.Tensor(1, h, width, channels)
	random.Normal(w.sample.Data)
	for i := range w.sample.Data {
		w.sample.Data[i] *= method.InitSigma()
	}
	w.original = p.arena.Tensor(1, h, width, channels)
	return w, nil
}

// planar draws noise in PyTorch's order, plane after plane, for latents whose channels are innermost.
type planar struct {
	noise    *noise.Generator
	planes   []float32
	channels int
}

func (p *planar) Normal(dst []float32) {
	p.noise.Normal(p.planes)
	pixels := len(dst) / p.channels
	for c := range p.channels {
		for i, x := range p.planes[c*pixels : (c+1)*pixels] {
			dst[i*p.channels+c] = x
		}
	}
}

// step calls the UNet and moves the sample.
func (w *run) step(ctx context.Context, i int) error {
	m := &w.pipeline.arena
	mark := m.Mark()
	defer m.Release(mark)
	x := m.Tensor(w.text.N, w.sample.H, w.sample.W, w.sample.C)
	one := len(w.sample.Data)
	w.method.Scale(x.Data[:one], w.sample.Data, i)
	if w.request.guided() {
		copy(x.Data[one:], x.Data[:one])
	}
	out, err := w.pipeline.unet.Forward(ctx, m, x, w.method.Timesteps()[i], w.text)
	if err != nil {
		return err
	}
	if w.request.guided() {
		guide(out.Data[:one], out.Data[one:], float32(w.request.GuidanceScale))
	}
	w.method.Step(w.sample.Data, out.Data[:one], w.original.Data, i)
	return nil
}

// guide moves the prediction away from the negative prompt's (Ho and Salimans 2022, formula 6, with scale =
// 1 + w).
func guide(negative, positive []float32, scale float32) {
	for i, x := range negative {
		negative[i] = x + scale*(positive[i]-x)
	}
}
