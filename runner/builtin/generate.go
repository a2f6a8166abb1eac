package builtin

import (
	"context"
	"image"
	"math"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin/nn"
)

// Generate makes the picture. A cancelled ctx ends the run within a block of the network, with ctx's error.
// onStep may be nil; it is called after every step on the calling goroutine, and an error from it ends the run.
func (p *Pipeline) Generate(ctx context.Context, r Request, onStep func(Step) error) (*image.NRGBA, error) {
	if err := p.check(r); err != nil {
		return nil, err
	}
	p.arena.Release(nn.Mark{})
	p.unet.Merging = r.TokenMerging
	text, err := p.encodeText(r)
	if err != nil {
		return nil, err
	}
	if r.Encoded != nil {
		r.Encoded()
	}
	walks, err := p.walks(ctx, r, text)
	if err != nil {
		return nil, err
	}
	counter := counter{pipeline: p, request: r, steps: r.steps(), onStep: onStep}
	for _, w := range walks {
		counter.calls += w.calls()
	}
	var sample nn.Tensor
	for _, w := range walks {
		if err := w.run(ctx, &counter); err != nil {
			return nil, err
		}
		sample = w.sample
	}
	for _, x := range sample.Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, errNotFinite
		}
	}
	return p.picture(ctx, sample)
}

// errNotFinite is the error of numbers that diverged: too strong a LoRA or guidance, or broken weights.
var errNotFinite = &api.Error{Code: api.CodeRuntimeFailed, Message: "the latents are not finite numbers: the picture would be black"}

// steps is how many are really made: strength leaves the first ones out.
func (r Request) steps() int {
	if r.Init == nil {
		return r.Steps
	}
	return min(int(float64(r.Steps)*r.Strength), r.Steps)
}

// counter turns calls of the model into the steps that were asked for. A method of second order calls the
// model more often than it makes steps, an inversion twice as often.
type counter struct {
	pipeline    *Pipeline
	request     Request
	steps       int
	calls, done int // of all walks
	reported    int // the last step
	onStep      func(Step) error
}

// called reports a call of the model, if it completes a step.
func (c *counter) called(ctx context.Context, original nn.Tensor) error {
	c.done++
	step := Step{Step: c.done * c.steps / c.calls, Steps: c.steps}
	if c.onStep == nil || step.Step == c.reported {
		return nil
	}
	c.reported = step.Step
	if every := c.request.PreviewEvery; every > 0 && step.Step%every == 0 {
		preview, err := c.pipeline.preview(ctx, original)
		if err != nil {
			return err
		}
		step.Preview = preview
	}
	return c.onStep(step)
}
