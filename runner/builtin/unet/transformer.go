package unet

import "github.com/easelgrid/easel/runner/builtin/nn"

// transformer is diffusers' Transformer2DModel: the pixels attend to one another and to the text.
type transformer struct {
	norm    *nn.GroupNorm
	in, out *nn.Dense
	layers  []*layer
	largest bool // no other transformer has more pixels
}

// Epsilons that the class fixes in code, not in the configuration.
const (
	transformerEpsilon = 1e-6
	layerEpsilon       = 1e-5
)

func newTransformer(w *nn.Weights, path string, c Config, level int) *transformer {
	channels := c.Channels[level]
	// Both kinds of projection are the same product; a linear one may be stored without the kernel's sides.
	t := &transformer{
		norm: w.GroupNorm(path+".norm", channels, c.Groups, transformerEpsilon),
		in:   w.Linear(path+".proj_in", channels, channels),
		out:  w.Linear(path+".proj_out", channels, channels),

		largest: level == c.firstAttention(),
	}
	for i := range c.Depth[level] {
		t.layers = append(t.layers, newLayer(w, nn.Indexed(path+".transformer_blocks", i), channels, c.ContextWidth, c.Heads[level]))
	}
	return t
}

// forward changes x in place.
func (t *transformer) forward(m *nn.Arena, x, context nn.Tensor, merging float64) {
	if !t.largest {
		merging = 0
	}
	mark := m.Mark()
	defer m.Release(mark)
	h := t.in.Forward(m, t.norm.Forward(m, x))
	for _, l := range t.layers {
		l.forward(m, h, context, merging)
	}
	x.Add(t.out.Forward(m, h))
}

// layer is diffusers' BasicTransformerBlock: self-attention, attention to the text, feed-forward.
type layer struct {
	norm1, norm2, norm3 *nn.LayerNorm
	self, cross         *attention
	up, down            *nn.Dense
}

func newLayer(w *nn.Weights, path string, channels, context, heads int) *layer {
	return &layer{
		norm1: w.LayerNorm(path+".norm1", channels, layerEpsilon),
		self:  newAttention(w, path+".attn1", channels, channels, heads),
		norm2: w.LayerNorm(path+".norm2", channels, layerEpsilon),
		cross: newAttention(w, path+".attn2", channels, context, heads),
		norm3: w.LayerNorm(path+".norm3", channels, layerEpsilon),
		up:    w.Linear(path+".ff.net.0.proj", channels, 8*channels),
		down:  w.Linear(path+".ff.net.2", 4*channels, channels),
	}
}

// forward changes x in place. merging is the part of the pixels that the self-attention sees merged into others.
func (l *layer) forward(m *nn.Arena, x, context nn.Tensor, merging float64) {
	mark := m.Mark()
	defer m.Release(mark)
	h := l.norm1.Forward(m, x)
	x.Add(selfAttention(m, l.self, h, merging))
	x.Add(l.cross.forward(m, l.norm2.Forward(m, x), context))
	x.Add(l.down.Forward(m, nn.GEGLU(m, l.up.Forward(m, l.norm3.Forward(m, x)))))
}

func selfAttention(m *nn.Arena, a *attention, x nn.Tensor, merging float64) nn.Tensor {
	g := nn.Merge(m, x, merging)
	if g == nil {
		return a.forward(m, x, x)
	}
	x = g.Tokens(m, x)
	return g.Pixels(m, a.forward(m, x, x))
}

// attention has the four projections around an attention.
type attention struct {
	q, k, v, out *nn.Dense
	heads        int
}

func newAttention(w *nn.Weights, path string, channels, context, heads int) *attention {
	return &attention{
		q:     w.LinearPlain(path+".to_q", channels, channels),
		k:     w.LinearPlain(path+".to_k", context, channels),
		v:     w.LinearPlain(path+".to_v", context, channels),
		out:   w.Linear(path+".to_out.0", channels, channels),
		heads: heads,
	}
}

func (a *attention) forward(m *nn.Arena, x, context nn.Tensor) nn.Tensor {
	q, k, v := a.q.Forward(m, x), a.k.Forward(m, context), a.v.Forward(m, context)
	return a.out.Forward(m, nn.Attention(m, q, k, v, a.heads, false))
}
