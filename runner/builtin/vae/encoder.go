package vae

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"path"

	"github.com/easelgrid/easel/runner/builtin/config"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// Encoder turns pictures into latents. It is not safe for concurrent use.
type Encoder struct {
	Config  Config
	in, out *nn.Dense
	quant   *nn.Dense // nil without
	downs   []down
	middle  middle
	norm    *nn.GroupNorm
	kept    int
}

// down is DownEncoderBlock2D.
type down struct {
	resnets []*nn.Resnet
	sample  *nn.Dense // halves the sides; nil at the last block
}

// OpenEncoder loads the encoder from the directory that Open loads the decoder from.
func OpenEncoder(fsys fs.FS, dir string) (*Encoder, error) {
	name := path.Join(dir, "config.json")
	c, err := ReadConfig(fsys, name)
	if err != nil {
		return nil, err
	}
	quant, err := readEncoderConfig(fsys, name, c)
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Open(fsys, path.Join(dir, "diffusion_pytorch_model.safetensors"))
	if err != nil {
		return nil, err
	}
	w := nn.NewWeights(file, "")
	e := buildEncoder(w, c, quant)
	e.kept = w.Kept()
	if err := w.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

// readEncoderConfig checks what only the encoder needs, and returns use_quant_conv.
func readEncoderConfig(fsys fs.FS, name string, c Config) (quant bool, err error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return false, err
	}
	f.Only("in_channels", 3)
	types := f.Strings("down_block_types", []string{"DownEncoderBlock2D"})
	if len(types) != len(c.Channels) {
		f.Fault("down_block_types", "block_out_channels has %d levels", len(c.Channels))
	}
	for _, kind := range types {
		if kind != "DownEncoderBlock2D" {
			f.Fault("down_block_types", "the builtin runtime implements only DownEncoderBlock2D")
			break
		}
	}
	return f.Bool("use_quant_conv", true), f.Err()
}

func buildEncoder(w *nn.Weights, c Config, quant bool) *Encoder {
	deep := c.Channels[len(c.Channels)-1]
	e := &Encoder{
		Config: c,
		in:     w.Conv("encoder.conv_in", 3, c.Channels[0], 3),
		middle: newMiddle(w, "encoder.mid_block", c),
		norm:   w.GroupNorm("encoder.conv_norm_out", deep, c.Groups, epsilon),
		out:    w.Conv("encoder.conv_out", deep, 2*c.Latent, 3),
	}
	if quant {
		e.quant = w.Conv("quant_conv", 2*c.Latent, 2*c.Latent, 1)
	}
	in := c.Channels[0]
	for i, out := range c.Channels {
		e.downs = append(e.downs, newDown(w, c, i, in, out))
		in = out
	}
	return e
}

func newDown(w *nn.Weights, c Config, i, in, out int) down {
	path := nn.Indexed("encoder.down_blocks", i)
	var d down
	for j := range c.Layers {
		d.resnets = append(d.resnets, nn.NewResnet(w, nn.Indexed(path+".resnets", j), in, out, 0, c.Groups, epsilon))
		in = out
	}
	if i < len(c.Channels)-1 {
		// The class pads only at the end here, unlike the UNet.
		d.sample = w.Conv(path+".downsamplers.0.conv", out, out, 3).Strided(2, 0, 1)
	}
	return d
}

// Kept returns the number of floats that the weights take in memory.
func (e *Encoder) Kept() int { return e.kept }

// Encode turns pictures (N, H, W, 3) with values in -1 to 1 and sides that are multiples of Factor into a normal
// distribution of latents (N, H/Factor, W/Factor, Latent) per element: its mean and its standard deviation
// (Kingma and Welling 2013, arXiv:1312.6114), not yet scaled; (z - Shift) * Scale is what the UNet sees of a
// sample z. Both are lent from m. A cancelled ctx ends it between two blocks.
func (e *Encoder) Encode(ctx context.Context, m *nn.Arena, x nn.Tensor) (mean, deviation nn.Tensor, err error) {
	factor := e.Config.Factor()
	if x.C != 3 || x.H%factor != 0 || x.W%factor != 0 || x.H == 0 || x.W == 0 {
		return mean, deviation, fmt.Errorf("a picture of %s does not fit the vae", x.Shape())
	}
	mean = m.Tensor(x.N, x.H/factor, x.W/factor, e.Config.Latent)
	deviation = m.Tensor(x.N, x.H/factor, x.W/factor, e.Config.Latent)
	mark := m.Mark()
	defer m.Release(mark)
	x = e.in.Forward(m, x)
	for _, d := range e.downs {
		if x, err = d.forward(ctx, m, mark, x); err != nil {
			return nn.Tensor{}, nn.Tensor{}, err
		}
	}
	x = e.middle.forward(m, x)
	x = e.norm.ConvolveSiLU(m, x, e.out)
	if e.quant != nil {
		x = e.quant.Forward(m, x)
	}
	divide(mean, deviation, x)
	return mean, deviation, nil
}

// divide splits the channels into means and logarithms of variances, which diffusers keeps in -30 to 20.
func divide(mean, deviation, x nn.Tensor) {
	for p := range x.Pixels() {
		row := x.Data[p*x.C : (p+1)*x.C]
		copy(mean.Data[p*mean.C:(p+1)*mean.C], row)
		for i, v := range row[mean.C:] {
			deviation.Data[p*mean.C+i] = float32(math.Exp(float64(min(max(v, -30), 20)) / 2))
		}
	}
}

// forward keeps only its result of what was lent since the mark.
func (d down) forward(ctx context.Context, m *nn.Arena, mark nn.Mark, x nn.Tensor) (nn.Tensor, error) {
	for _, r := range d.resnets {
		if err := ctx.Err(); err != nil {
			return x, err
		}
		x = m.Keep(mark, r.Forward(m, x, nn.Tensor{}))
	}
	if d.sample == nil {
		return x, nil
	}
	return m.Keep(mark, d.sample.Forward(m, x)), ctx.Err()
}
