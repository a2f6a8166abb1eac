package unet

import (
	"context"

	"github.com/easelgrid/easel/runner/builtin/nn"
)

// pass is what every block of one forward pass sees.
type pass struct {
	ctx   context.Context
	m     *nn.Arena
	time  nn.Tensor // the time embedding, one row
	text  nn.Tensor // the text encoder's states
	skips []nn.Tensor

	merging float64
	mark    nn.Mark // what is lent behind it is not needed on the way up, but for the last block's result
}

// end lets go of what belongs to the caller.
func (p *pass) end() {
	clear(p.skips)
	*p = pass{skips: p.skips[:0]}
}

// step is a residual block and, where the level has it, the transformer behind it.
type step struct {
	resnet    *nn.Resnet
	attention *transformer
}

// forward stops at a cancelled context: a block is the engine's smallest unit of work.
func (s step) forward(p *pass, x nn.Tensor) (nn.Tensor, error) {
	if err := p.ctx.Err(); err != nil {
		return x, err
	}
	x = s.resnet.Forward(p.m, x, p.time)
	if s.attention == nil {
		return x, nil
	}
	if err := p.ctx.Err(); err != nil {
		return x, err
	}
	s.attention.forward(p.m, x, p.text, p.merging)
	return x, nil
}

// down is DownBlock2D or CrossAttnDownBlock2D.
type down struct {
	steps  []step
	sample *nn.Dense // halves the sides; nil at the last level
}

func newDown(w *nn.Weights, c Config, level int) down {
	path := nn.Indexed("down_blocks", level)
	in, out := c.Channels[max(level-1, 0)], c.Channels[level]
	var d down
	for i := range c.Layers[level] {
		s := step{resnet: nn.NewResnet(w, nn.Indexed(path+".resnets", i), in, out, 4*c.Channels[0], c.Groups, c.Epsilon)}
		if c.DownAttention[level] {
			s.attention = newTransformer(w, nn.Indexed(path+".attentions", i), c, level)
		}
		d.steps, in = append(d.steps, s), out
	}
	if level < len(c.Channels)-1 {
		d.sample = w.Conv(path+".downsamplers.0.conv", out, out, 3).Strided(2, 1, 1)
	}
	return d
}

func (d down) forward(p *pass, x nn.Tensor) (nn.Tensor, error) {
	for _, s := range d.steps {
		var err error
		if x, err = s.forward(p, x); err != nil {
			return x, err
		}
		p.skips = append(p.skips, x)
	}
	if d.sample != nil {
		x = d.sample.Forward(p.m, x)
		p.skips = append(p.skips, x)
	}
	return x, nil
}

// middle is UNetMidBlock2DCrossAttn: residual block, attention, residual block.
type middle struct{ first, second step }

func newMiddle(w *nn.Weights, c Config) middle {
	level := len(c.Channels) - 1
	channels := c.Channels[level]
	resnet := func(i int) *nn.Resnet {
		return nn.NewResnet(w, nn.Indexed("mid_block.resnets", i), channels, channels, 4*c.Channels[0], c.Groups, c.Epsilon)
	}
	return middle{
		first:  step{resnet: resnet(0), attention: newTransformer(w, "mid_block.attentions.0", c, level)},
		second: step{resnet: resnet(1)},
	}
}

func (b middle) forward(p *pass, x nn.Tensor) (nn.Tensor, error) {
	x, err := b.first.forward(p, x)
	if err != nil {
		return x, err
	}
	return b.second.forward(p, x)
}

// up is UpBlock2D or CrossAttnUpBlock2D. It takes the skips of its level, last first.
type up struct {
	steps  []step
	sample *nn.Dense // runs after doubling the sides; nil at the last block
}

// newUp builds up block i, which belongs to the level as far from the bottom.
func newUp(w *nn.Weights, c Config, i int) up {
	level := len(c.Channels) - 1 - i
	path := nn.Indexed("up_blocks", i)
	in := c.Channels[min(level+1, len(c.Channels)-1)]
	out, below := c.Channels[level], c.Channels[max(level-1, 0)]
	var u up
	for j := range c.Layers[level] + 1 {
		skip := out
		if j == c.Layers[level] {
			skip = below
		}
		s := step{resnet: nn.NewResnet(w, nn.Indexed(path+".resnets", j), in+skip, out, 4*c.Channels[0], c.Groups, c.Epsilon)}
		if c.UpAttention[i] {
			s.attention = newTransformer(w, nn.Indexed(path+".attentions", j), c, level)
		}
		u.steps, in = append(u.steps, s), out
	}
	if level > 0 {
		u.sample = w.Conv(path+".upsamplers.0.conv", out, out, 3)
	}
	return u
}

func (u up) forward(p *pass, x nn.Tensor) (nn.Tensor, error) {
	for _, s := range u.steps {
		skip := p.skips[len(p.skips)-1]
		p.skips = p.skips[:len(p.skips)-1]
		var err error
		if x, err = s.forward(p, nn.Concat(p.m, x, skip)); err != nil {
			return x, err
		}
		x = p.m.Keep(p.mark, x)
	}
	if u.sample == nil {
		return x, nil
	}
	if err := p.ctx.Err(); err != nil {
		return x, err
	}
	// Sides that do not halve evenly: the next skip has the size.
	next := p.skips[len(p.skips)-1]
	return p.m.Keep(p.mark, u.sample.ForwardResized(p.m, x, next.H, next.W)), nil
}
