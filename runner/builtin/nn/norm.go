package nn

import "math"

// GroupNorm normalises each group of channels of each picture to mean 0 and variance 1, then scales and
// shifts each channel (Wu and He 2018, arXiv:1803.08494).
type GroupNorm struct {
	Groups      int
	Epsilon     float64
	scale, bias []float32
}

// statRows is the number of pixels whose sums are made in one piece. It is fixed, so that the order of
// summation is.
const statRows = 256

// Forward normalises x.
func (g *GroupNorm) Forward(m *Arena, x Tensor) Tensor { return g.forward(m, x, false) }

// ForwardSiLU normalises x and applies SiLU.
func (g *GroupNorm) ForwardSiLU(m *Arena, x Tensor) Tensor { return g.forward(m, x, true) }

func (g *GroupNorm) forward(m *Arena, x Tensor, silu bool) Tensor {
	out := m.Tensor(x.N, x.H, x.W, x.C)
	mark := m.Mark()
	defer m.Release(mark)
	area := x.H * x.W
	pieces := (area + statRows - 1) / statRows
	sums := make([]float64, x.N*pieces*2*x.C)
	limit := workers(len(x.Data) * 16)
	parallel(limit, x.N*pieces, func(_, i int) {
		n, piece := i/pieces, i%pieces
		from, to := n*area+piece*statRows, n*area+min((piece+1)*statRows, area)
		channelSums(sums[i*2*x.C:(i+1)*2*x.C], x.Data[from*x.C:to*x.C], x.C)
	})
	factor, shift := m.Floats(x.N*x.C), m.Floats(x.N*x.C)
	for n := range x.N {
		g.affine(factor[n*x.C:(n+1)*x.C], shift[n*x.C:(n+1)*x.C], sums[n*pieces*2*x.C:(n+1)*pieces*2*x.C], area)
	}
	parallel(limit, x.N*pieces, func(_, i int) {
		n, piece := i/pieces, i%pieces
		from, to := (n*area+piece*statRows)*x.C, (n*area+min((piece+1)*statRows, area))*x.C
		scaleShift(out.Data[from:to], x.Data[from:to], factor[n*x.C:(n+1)*x.C], shift[n*x.C:(n+1)*x.C])
		if silu {
			SiLU(out.Data[from:to])
		}
	})
	return out
}

// channelSums adds up each channel and its squares: sums has x's channels, then as many for the squares.
func channelSums(sums []float64, x []float32, channels int) {
	sum, square := sums[:channels], sums[channels:2*channels]
	for ; len(x) >= channels; x = x[channels:] {
		for c, v := range x[:channels] {
			f := float64(v)
			sum[c] += f
			square[c] += float64(f * f)
		}
	}
}

// affine turns the sums of one picture into y = x*factor + shift per channel.
func (g *GroupNorm) affine(factor, shift []float32, sums []float64, area int) {
	channels := len(factor)
	per := channels / g.Groups
	for group := range g.Groups {
		sum, square := 0.0, 0.0
		for at := 0; at < len(sums); at += 2 * channels {
			for c := group * per; c < (group+1)*per; c++ {
				sum += sums[at+c]
				square += sums[at+channels+c]
			}
		}
		count := float64(area * per)
		mean := sum / count
		inverse := 1 / math.Sqrt(max(square/count-mean*mean, 0)+g.Epsilon)
		for c := group * per; c < (group+1)*per; c++ {
			f := inverse * float64(g.scale[c])
			factor[c] = float32(f)
			shift[c] = float32(float64(g.bias[c]) - mean*f)
		}
	}
}

func scaleShift(out, x, factor, shift []float32) {
	channels := len(factor)
	for ; len(x) >= channels; x, out = x[channels:], out[channels:] {
		row := out[:channels]
		for c, v := range x[:channels] {
			row[c] = v*factor[c] + shift[c]
		}
	}
}

// LayerNorm normalises each pixel's channels (Ba, Kiros and Hinton 2016, arXiv:1607.06450).
type LayerNorm struct {
	Epsilon     float64
	scale, bias []float32
}

// Forward normalises x.
func (l *LayerNorm) Forward(m *Arena, x Tensor) Tensor {
	out := m.Tensor(x.N, x.H, x.W, x.C)
	for p := range x.Pixels() {
		row, to := x.Data[p*x.C:(p+1)*x.C], out.Data[p*x.C:(p+1)*x.C]
		sum := 0.0
		for _, v := range row {
			sum += float64(v)
		}
		mean := sum / float64(x.C)
		square := 0.0
		for _, v := range row {
			square += (float64(v) - mean) * (float64(v) - mean)
		}
		inverse := 1 / math.Sqrt(square/float64(x.C)+l.Epsilon)
		for c, v := range row {
			to[c] = float32((float64(v)-mean)*inverse)*l.scale[c] + l.bias[c]
		}
	}
	return out
}
