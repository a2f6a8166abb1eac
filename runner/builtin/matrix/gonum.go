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

func (portable) add(o *Operand, a View, b *Operand) {
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, o.K, o.N, b.K, 1, a.Data, a.Stride, b.data, b.N, 1, o.data, o.N)
}

func (portable) scratch(a Patches, rows int) int {
	if a.plain() {
		return 0
	}
	return rows * a.Runs * a.Run
}

func (portable) multiply(c View, a Patches, b *Operand, bias, scratch []float32) {
	c.set(bias)
	data, stride := scratch, b.K
	if a.plain() {
		data, stride = a.Data[a.From*a.PixelStep:], a.PixelStep
	} else {
		a.write(data, c.Rows)
	}
	gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, c.Rows, b.N, b.K,
		1, data, stride, b.data, b.N, 1, c.Data, c.Stride)
}
