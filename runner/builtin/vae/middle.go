package vae

import "github.com/easelgrid/easel/runner/builtin/nn"

// middle is UNetMidBlock2D.
type middle struct {
	first, second *nn.Resnet
	attention     *attention // nil without
}

func newMiddle(w *nn.Weights, path string, c Config) middle {
	deep := c.Channels[len(c.Channels)-1]
	b := middle{
		first:  nn.NewResnet(w, path+".resnets.0", deep, deep, 0, c.Groups, epsilon),
		second: nn.NewResnet(w, path+".resnets.1", deep, deep, 0, c.Groups, epsilon),
	}
	if c.Attention {
		b.attention = newAttention(w, path+".attentions.0", deep, c.Groups)
	}
	return b
}

func (b middle) forward(m *nn.Arena, x nn.Tensor) nn.Tensor {
	x = b.first.Forward(m, x, nn.Tensor{})
	if b.attention != nil {
		x = b.attention.forward(m, x)
	}
	return b.second.Forward(m, x, nn.Tensor{})
}

// attention is the one head in the middle block.
type attention struct {
	norm         *nn.GroupNorm
	q, k, v, out *nn.Dense
}

func newAttention(w *nn.Weights, path string, channels, groups int) *attention {
	q, k, v, out := ".to_q", ".to_k", ".to_v", ".to_out.0"
	// Files of the first diffusers versions, Stable Diffusion 1.5 among them, have the older names.
	if w.Has(path + ".query.weight") {
		q, k, v, out = ".query", ".key", ".value", ".proj_attn"
	}
	return &attention{
		norm: w.GroupNorm(path+".group_norm", channels, groups, epsilon),
		q:    w.Linear(path+q, channels, channels),
		k:    w.Linear(path+k, channels, channels),
		v:    w.Linear(path+v, channels, channels),
		out:  w.Linear(path+out, channels, channels),
	}
}

func (a *attention) forward(m *nn.Arena, x nn.Tensor) nn.Tensor {
	h := a.norm.Forward(m, x)
	h = nn.Attention(m, a.q.Forward(m, h), a.k.Forward(m, h), a.v.Forward(m, h), 1, false)
	h = a.out.Forward(m, h)
	h.Add(x)
	return h
}
