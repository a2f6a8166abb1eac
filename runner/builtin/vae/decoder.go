package vae

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// epsilon of the normalisations; the class fixes it in code.
const epsilon = 1e-6

// Decoder turns latents into pictures. It is not safe for concurrent use.
type Decoder struct {
	Config    Config
	postQuant *nn.Dense // nil without
	in, out   *nn.Dense
	middle    middle
	ups       []up
	norm      *nn.GroupNorm
	kept      int
}

// up is UpDecoderBlock2D.
type up struct {
	resnets []*nn.Resnet
	sample  *nn.Dense // runs after doubling the sides; nil at the last block
}

// Open loads the decoder from a directory with config.json and diffusion_pytorch_model.safetensors.
func Open(fsys fs.FS, dir string) (*Decoder, error) {
	c, err := ReadConfig(fsys, path.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Open(fsys, path.Join(dir, "diffusion_pytorch_model.safetensors"))
	if err != nil {
		return nil, err
	}
	w := nn.NewWeights(file, "")
	d := build(w, c)
	d.kept = w.Kept()
	if err := w.Err(); err != nil {
		return nil, err
	}
	return d, nil
}

func build(w *nn.Weights, c Config) *Decoder {
	deep := c.Channels[len(c.Channels)-1]
	d := &Decoder{
		Config: c,
		in:     w.Conv("decoder.conv_in", c.Latent, deep, 3),
		middle: newMiddle(w, "decoder.mid_block", c),
		norm:   w.GroupNorm("decoder.conv_norm_out", c.Channels[0], c.Groups, epsilon),
		out:    w.Conv("decoder.conv_out", c.Channels[0], c.Out, 3),
	}
	if c.PostQuantConv {
		d.postQuant = w.Conv("post_quant_conv", c.Latent, c.Latent, 1)
	}
	in := deep
	for i := range c.Channels {
		out := c.Channels[len(c.Channels)-1-i]
		d.ups = append(d.ups, newUp(w, c, i, in, out))
		in = out
	}
	return d
}

func newUp(w *nn.Weights, c Config, i, in, out int) up {
	path := nn.Indexed("decoder.up_blocks", i)
	var u up
	for j := range c.Layers + 1 {
		u.resnets = append(u.resnets, nn.NewResnet(w, nn.Indexed(path+".resnets", j), in, out, 0, c.Groups, epsilon))
		in = out
	}
	if i < len(c.Channels)-1 {
		u.sample = w.Conv(path+".upsamplers.0.conv", out, out, 3)
	}
	return u
}

// Kept returns the number of floats that the weights take in memory.
func (d *Decoder) Kept() int { return d.kept }

// Decode turns latents (N, H, W, Latent), as the UNet sees them, into pictures (N, H*Factor, W*Factor, 3) whose
// values lie around -1 to 1. The result is lent from m. A cancelled ctx ends it between two blocks.
func (d *Decoder) Decode(ctx context.Context, m *nn.Arena, latents nn.Tensor) (nn.Tensor, error) {
	if latents.C != d.Config.Latent {
		return nn.Tensor{}, fmt.Errorf("latents of %s do not fit the vae", latents.Shape())
	}
	mark := m.Mark()
	x := m.Tensor(latents.N, latents.H, latents.W, latents.C)
	for i, v := range latents.Data {
		x.Data[i] = v/float32(d.Config.Scale) + float32(d.Config.Shift)
	}
	if d.postQuant != nil {
		x = d.postQuant.Forward(m, x)
	}
	x = d.middle.forward(m, d.in.Forward(m, x))
	for _, u := range d.ups {
		var err error
		if x, err = u.forward(ctx, m, mark, x); err != nil {
			return nn.Tensor{}, err
		}
	}
	return m.Keep(mark, d.norm.ConvolveSiLU(m, x, d.out)), nil
}

// forward keeps only its result of what was lent since the mark.
func (u up) forward(ctx context.Context, m *nn.Arena, mark nn.Mark, x nn.Tensor) (nn.Tensor, error) {
	for _, r := range u.resnets {
		if err := ctx.Err(); err != nil {
			return x, err
		}
		x = m.Keep(mark, r.Forward(m, x, nn.Tensor{}))
	}
	if u.sample == nil {
		return x, nil
	}
	return m.Keep(mark, u.sample.ForwardResized(m, x, 2*x.H, 2*x.W)), ctx.Err()
}
