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

func (portable) multiply(c, a View, b *Operand, bias []float32) {
	c.set(bias)
	if c.Rows == 0 || b.N == 0 || b.K == 0 {
		return
	}
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, c.Rows, b.N, b.K,
		1, a.Data, a.Stride, b.data, b.N, 1, c.Data, c.Stride)
}
