package unet

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// Model is a loaded network. It is not safe for concurrent use.
type Model struct {
	Config Config
	// Merging is the part of the pixels, 0 to nn.MergeLimit, that self-attention sees merged into others in the
	// transformers with the most pixels (Bolya and Hoffman 2023, arXiv:2303.17604). 0 merges none. It takes effect
	// with the next Forward.
	Merging float64

	kept    int
	layers  map[string]*nn.Dense
	time    *timeEmbedding
	in, out *nn.Dense
	norm    *nn.GroupNorm
	downs   []down
	middle  middle
	ups     []up
	pass    pass // of the call that is going on, so that a call allocates nothing
}

// Open loads the network from a directory with config.json and diffusion_pytorch_model.safetensors.
func Open(fsys fs.FS, dir string) (*Model, error) {
	c, err := ReadConfig(fsys, path.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Open(fsys, path.Join(dir, "diffusion_pytorch_model.safetensors"))
	if err != nil {
		return nil, err
	}
	w := nn.NewWeights(file, "")
	m := build(w, c)
	if err := w.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

func build(w *nn.Weights, c Config) *Model {
	m := &Model{
		Config: c,
		time:   newTimeEmbedding(w, c),
		in:     w.Conv("conv_in", c.In, c.Channels[0], 3),
		middle: newMiddle(w, c),
		norm:   w.GroupNorm("conv_norm_out", c.Channels[0], c.Groups, c.Epsilon),
		out:    w.Conv("conv_out", c.Channels[0], c.Out, 3),
	}
	for i := range c.Channels {
		m.downs = append(m.downs, newDown(w, c, i))
		m.ups = append(m.ups, newUp(w, c, i))
	}
	m.layers, m.kept = w.Layers(), w.Kept()
	return m
}

// Layers returns the layers that a LoRA can change, by their path.
func (m *Model) Layers() map[string]*nn.Dense { return m.layers }

// Kept returns the number of floats that the weights take in memory. While a layer is changed, it takes twice its part.
func (m *Model) Kept() int { return m.kept }

// Forward predicts, for a batch of latents (N, H, W, In) at one timestep and the text encoder's states (N, 1, T,
// ContextWidth), what the scheduler's prediction type stands for: (N, H, W, Out). The result is lent from a and lives
// as long as the caller's mark. A cancelled ctx ends the pass between two blocks.
func (m *Model) Forward(ctx context.Context, a *nn.Arena, x nn.Tensor, timestep float32, text nn.Tensor) (nn.Tensor, error) {
	if x.C != m.Config.In || text.C != m.Config.ContextWidth || x.N != text.N {
		return nn.Tensor{}, fmt.Errorf("latents of %s and text of %s do not fit the unet", x.Shape(), text.Shape())
	}
	if !(m.Merging >= 0 && m.Merging <= nn.MergeLimit) {
		return nn.Tensor{}, fmt.Errorf("merging %g of the tokens is not possible, 0 to %g is", m.Merging, nn.MergeLimit)
	}
	out := a.Tensor(x.N, x.H, x.W, m.Config.Out)
	mark := a.Mark()
	defer a.Release(mark)
	if m.Config.CenterInput {
		x = centered(a, x)
	}
	p := &m.pass
	*p = pass{ctx: ctx, m: a, time: m.time.forward(a, timestep), text: text, skips: p.skips[:0], merging: m.Merging}
	defer p.end()
	h := m.in.Forward(a, x)
	p.skips = append(p.skips, h)
	h, err := m.blocks(p, h)
	if err != nil {
		return nn.Tensor{}, err
	}
	copy(out.Data, m.norm.ConvolveSiLU(a, h, m.out).Data)
	return out, nil
}

func (m *Model) blocks(p *pass, h nn.Tensor) (nn.Tensor, error) {
	var err error
	for _, b := range m.downs {
		if h, err = b.forward(p, h); err != nil {
			return h, err
		}
	}
	p.mark = p.m.Mark()
	if h, err = m.middle.forward(p, h); err != nil {
		return h, err
	}
	for _, b := range m.ups {
		if h, err = b.forward(p, h); err != nil {
			return h, err
		}
	}
	return h, nil
}

func centered(a *nn.Arena, x nn.Tensor) nn.Tensor {
	out := a.Tensor(x.N, x.H, x.W, x.C)
	for i, v := range x.Data {
		out.Data[i] = 2*v - 1
	}
	return out
}
