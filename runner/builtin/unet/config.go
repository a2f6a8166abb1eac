// Package unet runs the denoising network of Stable Diffusion 1.x, diffusers' UNet2DConditionModel.
package unet

import (
	"io/fs"

	"github.com/easelgrid/easel/runner/builtin/config"
)

// Limits on what a configuration may ask for; Stable Diffusion 1.x stays far below them.
const (
	maxLevels   = 8
	maxChannels = 16384
	maxLayers   = 32
)

// Config is the part of unet/config.json that shapes the network.
type Config struct {
	SampleSize                 int
	In, Out                    int
	Channels                   []int // per level
	Layers                     []int // residual blocks per level
	Depth                      []int // transformer blocks per attention, per level
	Heads                      []int // attention heads per level
	DownAttention, UpAttention []bool
	ContextWidth               int
	Groups                     int
	Epsilon                    float64
	LinearProjection           bool
	FlipSinToCos               bool
	FreqShift                  float64
	CenterInput                bool
}

// ReadConfig reads unet/config.json.
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return Config{}, err
	}
	refuse(f)
	c := Config{
		In:               f.Int("in_channels", 4, 1, 64),
		Out:              f.Int("out_channels", 4, 1, 64),
		SampleSize:       f.Int("sample_size", 64, 1, 1024),
		Channels:         f.List("block_out_channels", []int{320, 640, 1280, 1280}, maxLevels, maxChannels),
		Groups:           f.Int("norm_num_groups", 32, 1, maxChannels),
		Epsilon:          f.Float("norm_eps", 1e-5),
		LinearProjection: f.Bool("use_linear_projection", false),
		FlipSinToCos:     f.Bool("flip_sin_to_cos", true),
		FreqShift:        f.Float("freq_shift", 0),
		CenterInput:      f.Bool("center_input_sample", false),
	}
	n := len(c.Channels)
	c.Layers = f.Ints("layers_per_block", 2, n, maxLayers)
	c.Depth = f.Ints("transformer_layers_per_block", 1, n, maxLayers)
	// Stable Diffusion 1.x configurations give the number of heads under this name.
	c.Heads = f.Ints("attention_head_dim", 8, n, maxChannels)
	c.ContextWidth = sameWidth(f, n)
	c.DownAttention = blocks(f, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", n, []string{
		"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
	})
	c.UpAttention = blocks(f, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", n, []string{
		"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
	})
	c.divide(f)
	return c, f.Err()
}

// refuse names every setting of the class that this engine does not implement.
func refuse(f *config.File) {
	f.Only("_class_name", "UNet2DConditionModel")
	f.Only("act_fn", "silu", "swish")
	f.Only("mid_block_type", "UNetMidBlock2DCrossAttn")
	f.Only("resnet_time_scale_shift", "default")
	f.Only("time_embedding_type", "positional")
	f.Only("attention_type", "default")
	for _, field := range []string{"mid_block_scale_factor", "downsample_padding", "resnet_out_scale_factor"} {
		f.Only(field, 1)
	}
	f.Only("conv_in_kernel", 3)
	f.Only("conv_out_kernel", 3)
	for _, field := range []string{
		"only_cross_attention", "dual_cross_attention", "class_embeddings_concat", "resnet_skip_time_act",
		"mid_block_only_cross_attention",
	} {
		f.Only(field, false)
	}
	for _, field := range []string{
		"addition_embed_type", "class_embed_type", "cross_attention_norm", "encoder_hid_dim", "encoder_hid_dim_type",
		"num_attention_heads", "num_class_embeds", "reverse_transformer_layers_per_block", "time_cond_proj_dim",
		"time_embedding_act_fn", "time_embedding_dim", "timestep_post_act", "projection_class_embeddings_input_dim",
	} {
		f.Only(field, nil)
	}
}

// blocks reads the kind of block at each level: true where it has attention.
func blocks(f *config.File, field, attention, plain string, n int, missing []string) []bool {
	names := f.Strings(field, missing)
	if len(names) != n {
		f.Fault(field, "block_out_channels has %d levels", n)
	}
	list := make([]bool, n)
	for i, name := range names {
		if name != attention && name != plain {
			f.Fault(field, "the builtin runtime implements only %s and %s", attention, plain)
			break
		}
		if i < n {
			list[i] = name == attention
		}
	}
	return list
}

// sameWidth reads the width of the text encoder's states, which is the same at all levels.
func sameWidth(f *config.File, n int) int {
	widths := f.Ints("cross_attention_dim", 1280, n, maxChannels)
	for _, w := range widths {
		if w != widths[0] {
			f.Fault("cross_attention_dim", "the builtin runtime implements only one width for all levels")
			break
		}
	}
	return widths[0]
}

// firstAttention is the level nearest to the picture that has attention. The middle block, at the last, has it always.
func (c Config) firstAttention() int {
	n := len(c.Channels)
	for i := range n {
		if c.DownAttention[i] || c.UpAttention[n-1-i] {
			return i
		}
	}
	return n - 1
}

// divide checks that heads and groups divide the channels.
func (c Config) divide(f *config.File) {
	for i, channels := range c.Channels {
		last := i == len(c.Channels)-1
		attends := c.DownAttention[i] || c.UpAttention[len(c.Channels)-1-i] || last
		if attends && channels%c.Heads[i] != 0 {
			f.Fault("attention_head_dim", "%d channels do not divide into %d heads", channels, c.Heads[i])
		}
		if channels%c.Groups != 0 {
			f.Fault("norm_num_groups", "%d channels do not divide into %d groups", channels, c.Groups)
		}
	}
	if c.Channels[0]%2 != 0 {
		f.Fault("block_out_channels", "the first must be even: half of the time embedding is sines")
	}
}
