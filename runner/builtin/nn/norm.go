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
func (g *GroupNorm) Forward(m *Arena, x Tensor) Tensor {
	out := m.Tensor(x.N, x.H, x.W, x.C)
	g.forward(m, framed{Tensor: out}, x, false)
	return out
}

// ConvolveSiLU normalises x, applies SiLU and then the layer.
func (g *GroupNorm) ConvolveSiLU(m *Arena, x Tensor, d *Dense) Tensor {
	out := m.Tensor(x.N, d.size(x.H), d.size(x.W), d.Out)
	mark := m.Mark()
	defer m.Release(mark)
	d.applyFramed(m, out, g.framedSiLU(m, x, d), nil)
	return out
}

// framedSiLU normalises x and applies SiLU, into a frame for d.
func (g *GroupNorm) framedSiLU(m *Arena, x Tensor, d *Dense) framed {
	f := m.frame(x.N, x.H, x.W, x.C, d.pad, d.padEnd)
	g.forward(m, f, x, true)
	return f
}

// normalise is the job of a group normalisation. Its first half makes sums, a piece of a picture being a task, and its
// second half the result, some lines being a task.
type normalise struct {
	x             Tensor
	out           framed
	silu          bool
	summing       bool
	pieces        int // per picture
	lines         int // per task
	sums          []float64
	factor, shift []float32
}

func (j *normalise) do(_, i int) {
	x := j.x
	if j.summing {
		n, piece, area := i/j.pieces, i%j.pieces, x.H*x.W
		from, to := n*area+piece*statRows, n*area+min((piece+1)*statRows, area)
		channelSums(j.sums[i*2*x.C:(i+1)*2*x.C], x.Data[from*x.C:to*x.C], x.C)
		return
	}
	row := x.W * x.C
	for line := i * j.lines; line < min((i+1)*j.lines, x.N*x.H); line++ {
		n := line / x.H
		factor, shift := j.factor[n*x.C:(n+1)*x.C], j.shift[n*x.C:(n+1)*x.C]
		scaleShift(j.out.line(n, line%x.H), x.Data[line*row:(line+1)*row], factor, shift, j.silu)
	}
}

func (g *GroupNorm) forward(m *Arena, out framed, x Tensor, silu bool) {
	mark := m.Mark()
	defer m.Release(mark)
	area := x.H * x.W
	pieces := (area + statRows - 1) / statRows
	limit := elementWorkers(len(x.Data) * 16)
	j := &m.normalise
	*j = normalise{x: x, out: out, silu: silu, summing: true, pieces: pieces, sums: m.doubles(x.N * pieces * 2 * x.C)}
	m.parallel(limit, x.N*pieces, j)
	j.factor, j.shift = m.Floats(x.N*x.C), m.Floats(x.N*x.C)
	for n := range x.N {
		g.affine(j.factor[n*x.C:(n+1)*x.C], j.shift[n*x.C:(n+1)*x.C], j.sums[n*pieces*2*x.C:(n+1)*pieces*2*x.C], area)
	}
	j.summing, j.lines = false, max(1, 8192/(x.W*x.C))
	m.parallel(limit, (x.N*x.H+j.lines-1)/j.lines, j)
}

// channelSums adds up each channel and its squares: sums has x's channels, then as many for the squares.
func channelSums(sums []float64, x []float32, channels int) {
	if vectors() && channels%lanes == 0 {
		sums8(&sums[0], &x[0], channels, len(x)/channels)
		return
	}
	clear(sums)
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

// scaleShift writes x*factor + shift, per channel, or SiLU of that.
func scaleShift(out, x, factor, shift []float32, silu bool) {
	channels := len(factor)
	if vectors() && channels%lanes == 0 {
		f := affine8
		if silu {
			f = affineSiLU8
		}
		f(&out[0], &x[0], &factor[0], &shift[0], channels, len(x)/channels)
		return
	}
	whole := out
	for ; len(x) >= channels; x, out = x[channels:], out[channels:] {
		row := out[:channels]
		for c, v := range x[:channels] {
			row[c] = v*factor[c] + shift[c]
		}
	}
	if silu {
		SiLU(whole)
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
		mean, inverse := l.moments(row)
		for c, v := range row {
			to[c] = float32((float64(v)-mean)*inverse)*l.scale[c] + l.bias[c]
		}
	}
	return out
}

// moments returns the row's mean and the inverse of its deviation.
func (l *LayerNorm) moments(row []float32) (mean, inverse float64) {
	n := float64(len(row))
	if vectors() && len(row)%lanes == 0 {
		sum, square := moments8(&row[0], len(row))
		mean = sum / n
		return mean, 1 / math.Sqrt(max(square/n-mean*mean, 0)+l.Epsilon)
	}
	sum := 0.0
	for _, v := range row {
		sum += float64(v)
	}
	mean = sum / n
	square := 0.0
	for _, v := range row {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, 1 / math.Sqrt(square/n+l.Epsilon)
}
