// Package vae decodes latents to pictures, and encodes pictures, with diffusers' AutoencoderKL.
package vae

import (
	"io/fs"

	"github.com/easelgrid/easel/runner/builtin/config"
)

// Config is the part of vae/config.json that shapes the networks.
type Config struct {
	Latent, Out   int
	Channels      []int // per level, from the picture inwards
	Layers        int
	Groups        int
	Scale, Shift  float64
	PostQuantConv bool
	Attention     bool
}

// ReadConfig reads vae/config.json.
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return Config{}, err
	}
	f.Only("_class_name", "AutoencoderKL")
	f.Only("act_fn", "silu", "swish")
	f.Only("out_channels", 3)
	f.Only("latents_mean", nil)
	f.Only("latents_std", nil)
	c := Config{
		Latent:        f.Int("latent_channels", 4, 1, 64),
		Out:           3,
		Channels:      f.List("block_out_channels", []int{64}, 8, 16384),
		Layers:        f.Int("layers_per_block", 1, 1, 32),
		Groups:        f.Int("norm_num_groups", 32, 1, 16384),
		Scale:         f.Float("scaling_factor", 0.18215),
		Shift:         f.Float("shift_factor", 0),
		PostQuantConv: f.Bool("use_post_quant_conv", true),
		Attention:     f.Bool("mid_block_add_attention", true),
	}
	c.check(f)
	return c, f.Err()
}

func (c Config) check(f *config.File) {
	types := f.Strings("up_block_types", []string{"UpDecoderBlock2D"})
	if len(types) != len(c.Channels) {
		f.Fault("up_block_types", "block_out_channels has %d levels", len(c.Channels))
	}
	for _, name := range types {
		if name != "UpDecoderBlock2D" {
			f.Fault("up_block_types", "the builtin runtime implements only UpDecoderBlock2D")
			break
		}
	}
	for _, channels := range c.Channels {
		if channels%c.Groups != 0 {
			f.Fault("norm_num_groups", "%d channels do not divide into %d groups", channels, c.Groups)
		}
	}
	if c.Scale == 0 {
		f.Fault("scaling_factor", "it must not be 0")
	}
}

// Factor is the number of pixels per latent on each side.
func (c Config) Factor() int { return 1 << (len(c.Channels) - 1) }
