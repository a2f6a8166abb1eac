package nn

import (
	"fmt"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// Dense is a linear layer or a convolution with a square kernel: y = patch(x) * W + b. Its weights can be
// changed by adding to them and brought back (Change).
type Dense struct {
	// In and Out are numbers of channels, Kernel is the side of the patch: 1 for a linear layer.
	In, Out, Kernel int

	stride, pad int
	padEnd      int // rows and columns of zeros after the last, when not pad
	weights     *matrix.Operand
	bias        []float32
	loaded      *matrix.Operand // the weights without changes, while there are changes
}

// Strided sets the convolution's step and its zero padding before and after, in pixels. A layer starts with
// step 1 and the padding that keeps the size.
func (d *Dense) Strided(stride, before, after int) *Dense {
	d.stride, d.pad, d.padEnd = stride, before, after
	return d
}

// Change is a change of a layer's weights of low rank: Factor * Up * Down (Hu et al. 2021, arXiv:2106.09685). In
// PyTorch's order Up is (Out, Rank) and Down is (Rank, In, Kernel, Kernel).
type Change struct {
	Up, Down []float32
	Rank     int
	Factor   float32
}

// Change makes the layer's weights the loaded ones plus these changes, in place of earlier ones. Without any it brings
// back the loaded weights, to the bit: they are kept beside those of a changed layer.
func (d *Dense) Change(changes []Change) error {
	k := d.In * d.Kernel * d.Kernel
	for _, c := range changes {
		if c.Rank < 1 || len(c.Up) != d.Out*c.Rank || len(c.Down) != c.Rank*k {
			return fmt.Errorf("a change of %d by %d weights and rank %d does not fit a layer of %d by %d", len(c.Up), len(c.Down), c.Rank, d.Out, k)
		}
	}
	if d.loaded == nil {
		if len(changes) == 0 {
			return nil
		}
		d.loaded, d.weights = d.weights, d.weights.Clone()
	} else if len(changes) == 0 {
		d.weights, d.loaded = d.loaded, nil
		return nil
	} else {
		d.weights.Copy(d.loaded)
	}
	for _, c := range changes {
		up := make([]float32, len(c.Up))
		for i, x := range c.Up {
			up[i] = c.Factor * x
		}
		d.weights.AddProduct(matrix.Dense(d.patchOrder(c), k, c.Rank), matrix.New(matrix.Dense(up, d.Out, c.Rank), true))
	}
	return nil
}

// patchOrder brings Down into the order of the patches, (Ky, Kx, In) times Rank.
func (d *Dense) patchOrder(c Change) []float32 {
	area := d.Kernel * d.Kernel
	out := make([]float32, len(c.Down))
	for r := range c.Rank {
		for i := range d.In {
			for k, x := range c.Down[(r*d.In+i)*area : (r*d.In+i+1)*area] {
				out[(k*d.In+i)*c.Rank+r] = x
			}
		}
	}
	return out
}

// fill brings PyTorch's order (Out, In, Ky, Kx) into that of the patches: (Ky, Kx, In) times Out. It uses the memory of
// patches as far as there is enough, and returns what it used.
func (d *Dense) fill(w, patches []float32) []float32 {
	area := d.Kernel * d.Kernel
	if area > 1 {
		patches = slices.Grow(patches[:0], len(w))[:len(w)]
		for o := range d.Out {
			for i := range d.In {
				for k := range area {
					patches[(o*area+k)*d.In+i] = w[(o*d.In+i)*area+k]
				}
			}
		}
		w = patches
	}
	d.weights = matrix.New(matrix.Dense(w, d.Out, d.In*area), true)
	return patches
}

// size is the side of the output for a side of the input.
func (d *Dense) size(side int) int { return (side+d.pad+d.padEnd-d.Kernel)/d.stride + 1 }

// Forward applies the layer to x, which has In channels.
func (d *Dense) Forward(m *Arena, x Tensor) Tensor { return d.forward(m, x, d.bias) }

func (d *Dense) forward(m *Arena, x Tensor, bias []float32) Tensor {
	out := m.Tensor(x.N, d.size(x.H), d.size(x.W), d.Out)
	mark := m.Mark()
	defer m.Release(mark)
	if d.Kernel == 1 && d.stride == 1 {
		d.apply(m, out, x, matrix.Rows(matrix.Dense(x.Data, x.Pixels(), x.C)), bias)
		return out
	}
	f := d.framed(m, x)
	d.apply(m, out, x, d.patches(f, out), bias)
	return out
}

// ForwardResized scales x to h x w by taking the nearest pixel, and applies the convolution.
func (d *Dense) ForwardResized(m *Arena, x Tensor, h, w int) Tensor {
	out := m.Tensor(x.N, d.size(h), d.size(w), d.Out)
	mark := m.Mark()
	defer m.Release(mark)
	f := m.frame(x.N, h, w, x.C, d.pad, d.padEnd)
	resize(f, x)
	d.applyFramed(m, out, f, nil)
	return out
}

// applyFramed applies a convolution to a frame that was made for it, and adds shift, one value per channel or nil,
// to every pixel.
func (d *Dense) applyFramed(m *Arena, out Tensor, f framed, shift []float32) {
	mark := m.Mark()
	defer m.Release(mark)
	bias := d.bias
	if shift != nil {
		bias = m.Floats(d.Out)
		sum(bias, d.bias, shift)
	}
	d.apply(m, out, f.Tensor, d.patches(f, out), bias)
}

// product is the job of a layer: a chunk of rows is a task.
type product struct {
	out            matrix.View
	patches        matrix.Patches
	weights        *matrix.Operand
	bias, scratch  []float32
	rows, perChunk int
}

func (p *product) do(worker, i int) {
	from := i * p.rows
	a := p.patches
	a.From = from
	scratch := p.scratch[worker*p.perChunk : (worker+1)*p.perChunk]
	matrix.Convolve(p.out.Slice(from, min(from+p.rows, p.out.Rows)), a, p.weights, p.bias, scratch)
}

// apply divides the output's pixels into chunks.
func (d *Dense) apply(m *Arena, out, x Tensor, patches matrix.Patches, bias []float32) {
	if x.C != d.In {
		panic(fmt.Sprintf("nn: a layer of %d channels got a tensor of %s", d.In, x.Shape()))
	}
	k := d.In * d.Kernel * d.Kernel
	total := out.Pixels()
	limit := workers(total * k * d.Out)
	p := &m.product
	*p = product{out: matrix.Dense(out.Data, total, d.Out), patches: patches, weights: d.weights, bias: bias, rows: chunkRows(total, k, d.Out, limit)}
	p.perChunk = matrix.Scratch(patches, p.rows)
	p.scratch = m.Floats(limit * p.perChunk)
	m.parallel(limit, (total+p.rows-1)/p.rows, p)
}

// chunkRows is the number of pixels that one call to the product handles: enough to be worth the call, few enough that
// the patches, where they are written down, stay in the cache.
func chunkRows(total, k, n, limit int) int {
	if vectors() {
		return evenRows(total, limit)
	}
	const floats = 64 << 10
	return max(12, min(192, floats/k, 1<<20/(k*n))/12*12)
}

// evenRows is a share of the rows for each worker, or a quarter of that where it is still large: a worker that was held
// up then leaves the rest to others. A multiple of 6 is a whole number of tiles.
func evenRows(total, limit int) int {
	if limit == 1 {
		return max(total, 1)
	}
	rows := (total + limit - 1) / limit
	if rows >= 96 {
		rows /= 4
	}
	return (rows + 5) / 6 * 6
}
