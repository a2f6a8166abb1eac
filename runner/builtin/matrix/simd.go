//go:build goexperiment.simd && amd64

package matrix

import "simd/archsimd"

// The kernel computes tall x wide elements of c at once: 12 registers of sums, 2 of b and 1 of a are 15 of the
// 16 that AVX2 has.
const (
	tall = 6
	wide = 16
	// deep is how far one pass goes along k: a panel of b is then 16 KiB and stays in the first-level cache.
	deep = 256
)

// vectors is the AVX2 implementation. Its operand is cut into panels of 16 columns, each row-major and the
// last one filled up with zeros, so that the kernel reads memory in one straight line.
type vectors struct{}

func (vectors) name() string { return "avx2" }

func (vectors) size(k, n int) int { return (n + wide - 1) / wide * wide * k }

func (vectors) fill(dst []float32, b View, transposed bool) {
	if transposed {
		fillTransposed(dst, b)
		return
	}
	for j := 0; j < b.Cols; j += wide {
		for i := range b.Rows {
			row := dst[:wide]
			dst = dst[wide:]
			n := copy(row, b.Data[i*b.Stride+j:i*b.Stride+b.Cols])
			clear(row[n:])
		}
	}
}

func fillTransposed(dst []float32, b View) {
	for j := 0; j < b.Rows; j += wide {
		panel := dst[:wide*b.Cols]
		dst = dst[wide*b.Cols:]
		for jj := range wide {
			if j+jj >= b.Rows {
				for i := range b.Cols {
					panel[i*wide+jj] = 0
				}
				continue
			}
			for i, x := range b.Data[(j+jj)*b.Stride : (j+jj)*b.Stride+b.Cols] {
				panel[i*wide+jj] = x
			}
		}
	}
}

func (vectors) multiply(c, a View, b *Operand, bias []float32) {
	for i := range c.Rows {
		row := c.Data[i*c.Stride : i*c.Stride+c.Cols]
		if bias == nil {
			clear(row)
			continue
		}
		copy(row, bias)
	}
	for k := 0; k < b.K; k += deep {
		depth := min(deep, b.K-k)
		for j := 0; j < b.N; j += wide {
			panel := b.data[j*b.K+k*wide : j*b.K+(k+depth)*wide]
			column(c, a, panel, j, k, min(wide, b.N-j))
		}
	}
	archsimd.ClearAVXUpperBits()
}

// column adds a panel's part to the columns [j, j+width) of all rows of c.
func column(c, a View, panel []float32, j, k, width int) {
	var edge [tall * wide]float32
	depth := len(panel) / wide
	for i := 0; i < c.Rows; i += tall {
		rows := min(tall, c.Rows-i)
		at := a.Data[i*a.Stride+k:]
		if rows == tall && width == wide {
			kernel(c.Data[i*c.Stride+j:], c.Stride, at, a.Stride, panel, depth)
			continue
		}
		for r := range rows {
			copy(edge[r*wide:(r+1)*wide], c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width])
		}
		if rows == tall {
			kernel(edge[:], wide, at, a.Stride, panel, depth)
		} else {
			for r := range rows {
				kernelRow(edge[r*wide:], at[r*a.Stride:], panel, depth)
			}
		}
		for r := range rows {
			copy(c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width], edge[r*wide:])
		}
	}
}

// kernel adds a (6 x depth) times panel (depth x 16) to c (6 x 16).
func kernel(c []float32, ldc int, a []float32, lda int, panel []float32, depth int) {
	a0, a1, a2 := a[:depth], a[lda:][:depth], a[2*lda:][:depth]
	a3, a4, a5 := a[3*lda:][:depth], a[4*lda:][:depth], a[5*lda:][:depth]
	c0, c1, c2 := c[:wide], c[ldc:][:wide], c[2*ldc:][:wide]
	c3, c4, c5 := c[3*ldc:][:wide], c[4*ldc:][:wide], c[5*ldc:][:wide]
	s00, s01 := archsimd.LoadFloat32x8Slice(c0), archsimd.LoadFloat32x8Slice(c0[8:])
	s10, s11 := archsimd.LoadFloat32x8Slice(c1), archsimd.LoadFloat32x8Slice(c1[8:])
	s20, s21 := archsimd.LoadFloat32x8Slice(c2), archsimd.LoadFloat32x8Slice(c2[8:])
	s30, s31 := archsimd.LoadFloat32x8Slice(c3), archsimd.LoadFloat32x8Slice(c3[8:])
	s40, s41 := archsimd.LoadFloat32x8Slice(c4), archsimd.LoadFloat32x8Slice(c4[8:])
	s50, s51 := archsimd.LoadFloat32x8Slice(c5), archsimd.LoadFloat32x8Slice(c5[8:])
	for p := range a0 {
		b := panel[p*wide : p*wide+wide]
		b0, b1 := archsimd.LoadFloat32x8Slice(b), archsimd.LoadFloat32x8Slice(b[8:])
		x := archsimd.BroadcastFloat32x8(a0[p])
		s00, s01 = x.MulAdd(b0, s00), x.MulAdd(b1, s01)
		x = archsimd.BroadcastFloat32x8(a1[p])
		s10, s11 = x.MulAdd(b0, s10), x.MulAdd(b1, s11)
		x = archsimd.BroadcastFloat32x8(a2[p])
		s20, s21 = x.MulAdd(b0, s20), x.MulAdd(b1, s21)
		x = archsimd.BroadcastFloat32x8(a3[p])
		s30, s31 = x.MulAdd(b0, s30), x.MulAdd(b1, s31)
		x = archsimd.BroadcastFloat32x8(a4[p])
		s40, s41 = x.MulAdd(b0, s40), x.MulAdd(b1, s41)
		x = archsimd.BroadcastFloat32x8(a5[p])
		s50, s51 = x.MulAdd(b0, s50), x.MulAdd(b1, s51)
	}
	s00.StoreSlice(c0)
	s01.StoreSlice(c0[8:])
	s10.StoreSlice(c1)
	s11.StoreSlice(c1[8:])
	s20.StoreSlice(c2)
	s21.StoreSlice(c2[8:])
	s30.StoreSlice(c3)
	s31.StoreSlice(c3[8:])
	s40.StoreSlice(c4)
	s41.StoreSlice(c4[8:])
	s50.StoreSlice(c5)
	s51.StoreSlice(c5[8:])
}

// kernelRow adds one row of a times panel to 16 elements of c. It sums in the same order as kernel, so a row
// gives the same bits in either.
func kernelRow(c, a, panel []float32, depth int) {
	s0, s1 := archsimd.LoadFloat32x8Slice(c), archsimd.LoadFloat32x8Slice(c[8:])
	for p, v := range a[:depth] {
		b := panel[p*wide : p*wide+wide]
		x := archsimd.BroadcastFloat32x8(v)
		s0 = x.MulAdd(archsimd.LoadFloat32x8Slice(b), s0)
		s1 = x.MulAdd(archsimd.LoadFloat32x8Slice(b[8:]), s1)
	}
	s0.StoreSlice(c)
	s1.StoreSlice(c[8:])
}
