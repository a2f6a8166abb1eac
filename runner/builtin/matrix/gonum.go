package matrix

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// portable is gonum's Sgemm. Its operand is the plain row-major matrix.
type portable struct{}

func (portable) name() string { return "gonum" }

func (portable) size(k, n int) int { return k * n }

func (portable) fill(dst []float32, b View, transposed bool) {
	if !transposed {
		for i := range b.Rows {
			copy(dst[i*b.Cols:(i+1)*b.Cols], b.Data[i*b.Stride:])
		}
		return
	}
	for j := range b.Rows {
		for i, x := range b.Data[j*b.Stride : j*b.Stride+b.Cols] {
			dst[i*b.Rows+j] = x
		}
	}
}

func (portable) scratch(rows, k int) int { return rows * k }

func (portable) multiply(c View, a Patches, b *Operand, bias, scratch []float32) {
	c.set(bias)
	data, stride := scratch, b.K
	if a.Runs == 1 && a.Lines == 1 {
		data, stride = a.Data[a.From*a.PixelStep:], a.PixelStep
	} else {
		a.write(data, c.Rows)
	}
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, c.Rows, b.N, b.K,
		1, data, stride, b.data, b.N, 1, c.Data, c.Stride)
}
