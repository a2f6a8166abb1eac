package textencoder

import "github.com/easelgrid/easel/runner/builtin/nn"

// layer is CLIPEncoderLayer: causal self-attention and feed-forward, each behind a normalisation.
type layer struct {
	norm1, norm2 *nn.LayerNorm
	q, k, v, out *nn.Dense
	up, down     *nn.Dense
	heads        int
	activation   nn.Activation
}

func newLayer(w *nn.Weights, path string, c Config) *layer {
	return &layer{
		norm1:      w.LayerNorm(path+".layer_norm1", c.Width, c.Epsilon),
		q:          w.Linear(path+".self_attn.q_proj", c.Width, c.Width),
		k:          w.Linear(path+".self_attn.k_proj", c.Width, c.Width),
		v:          w.Linear(path+".self_attn.v_proj", c.Width, c.Width),
		out:        w.Linear(path+".self_attn.out_proj", c.Width, c.Width),
		norm2:      w.LayerNorm(path+".layer_norm2", c.Width, c.Epsilon),
		up:         w.Linear(path+".mlp.fc1", c.Width, c.Wide),
		down:       w.Linear(path+".mlp.fc2", c.Wide, c.Width),
		heads:      c.Heads,
		activation: c.Activation,
	}
}

// forward changes x in place.
func (l *layer) forward(m *nn.Arena, x nn.Tensor) {
	mark := m.Mark()
	defer m.Release(mark)
	h := l.norm1.Forward(m, x)
	x.Add(l.out.Forward(m, nn.Attention(m, l.q.Forward(m, h), l.k.Forward(m, h), l.v.Forward(m, h), l.heads, true)))
	h = l.up.Forward(m, l.norm2.Forward(m, x))
	l.activation(h.Data)
	x.Add(l.down.Forward(m, h))
}
