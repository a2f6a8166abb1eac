package nn

import "fmt"

// Resnet is diffusers' ResnetBlock2D: norm, SiLU, convolution, twice, with the time embedding added in
// between and the input added at the end (He et al. 2015, arXiv:1512.03385).
type Resnet struct {
	norm1, norm2 *GroupNorm
	conv1, conv2 *Dense
	time         *Dense // nil without a time embedding
	shortcut     *Dense // nil when the number of channels stays
}

// NewResnet builds the block at path. timeWidth is the width of the time embedding, or 0 for none.
func NewResnet(w *Weights, path string, in, out, timeWidth, groups int, epsilon float64) *Resnet {
	r := &Resnet{
		norm1: w.GroupNorm(path+".norm1", in, groups, epsilon),
		conv1: w.Conv(path+".conv1", in, out, 3),
		norm2: w.GroupNorm(path+".norm2", out, groups, epsilon),
		conv2: w.Conv(path+".conv2", out, out, 3),
	}
	if timeWidth > 0 {
		r.time = w.Linear(path+".time_emb_proj", timeWidth, out)
	}
	if in != out {
		r.shortcut = w.Conv(path+".conv_shortcut", in, out, 1)
	}
	return r
}

// Forward runs the block. time is one row that has been through SiLU; it is ignored by a block without a time
// embedding.
func (r *Resnet) Forward(m *Arena, x, time Tensor) Tensor {
	out := m.Tensor(x.N, x.H, x.W, r.conv2.Out)
	mark := m.Mark()
	defer m.Release(mark)
	var shift []float32
	if r.time != nil {
		shift = r.time.Forward(m, time).Data
	}
	h := m.Tensor(x.N, x.H, x.W, r.conv1.Out)
	inner := m.Mark()
	r.conv1.applyFramed(m, h, r.norm1.framedSiLU(m, x, r.conv1), shift)
	m.Release(inner)
	r.conv2.applyFramed(m, out, r.norm2.framedSiLU(m, h, r.conv2), nil)
	m.Release(inner)
	if r.shortcut != nil {
		x = r.shortcut.Forward(m, x)
	}
	out.Add(x)
	return out
}

// Indexed joins a list's path and an index, as PyTorch names its modules.
func Indexed(path string, i int) string { return fmt.Sprintf("%s.%d", path, i) }
