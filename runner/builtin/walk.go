package builtin

import (
	"context"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/noise"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

// walk is a run of a method through latents.
type walk struct {
	pipeline *Pipeline
	method   scheduler.Scheduler
	first    int       // the call it starts at
	last     int       // the call it ends before
	guidance float32   // of a text of two
	text     nn.Tensor // states of the prompt, or of the negative prompt and the prompt
	sample   nn.Tensor // the latents
	original nn.Tensor // what the last call took them to become
	keep     *keep     // nil unless inpainting
}

func (w *walk) calls() int { return w.last - w.first }

func (w *walk) run(ctx context.Context, c *counter) error {
	for call := w.first; call < w.last; call++ {
		if err := w.call(ctx, call); err != nil {
			return err
		}
		if err := c.called(ctx, w.original); err != nil {
			return err
		}
	}
	return nil
}

// call calls the UNet and moves the sample.
func (w *walk) call(ctx context.Context, call int) error {
	m := &w.pipeline.arena
	mark := m.Mark()
	defer m.Release(mark)
	x := m.Tensor(w.text.N, w.sample.H, w.sample.W, w.sample.C)
	one := len(w.sample.Data)
	w.method.Scale(x.Data[:one], w.sample.Data, call)
	if w.text.N == 2 {
		copy(x.Data[one:], x.Data[:one])
	}
	out, err := w.pipeline.unet.Forward(ctx, m, x, w.method.Timesteps()[call], w.text)
	if err != nil {
		return err
	}
	if w.text.N == 2 {
		guide(out.Data[:one], out.Data[one:], w.guidance)
	}
	w.method.Step(w.sample.Data, out.Data[:one], w.original.Data, call)
	if w.keep != nil {
		w.keep.restore(w, call+1)
	}
	return nil
}

// guide moves the prediction away from the negative prompt's (Ho and Salimans 2022, formula 6, with scale =
// 1 + w).
func guide(negative, positive []float32, scale float32) {
	for i, x := range negative {
		negative[i] = x + scale*(positive[i]-x)
	}
}

// keep holds the init image's latents to those places that inpainting leaves alone.
type keep struct {
	image nn.Tensor
	noise []float32
	mask  []bool    // per pixel of the latents: painted anew
	level []float32 // the image with a call's noise
}

// restore puts the image, with the noise that the sample has before the call, outside of the mask
// (Lugmayr et al. 2022, arXiv:2201.09865, formula 8).
func (k *keep) restore(w *walk, call int) {
	w.method.AddNoise(k.level, k.image.Data, k.noise, call)
	channels := w.sample.C
	for i, painted := range k.mask {
		if !painted {
			copy(w.sample.Data[i*channels:(i+1)*channels], k.level[i*channels:(i+1)*channels])
		}
	}
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
