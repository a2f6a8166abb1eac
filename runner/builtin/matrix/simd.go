//go:build goexperiment.simd && amd64

package matrix

import "simd/archsimd"

// The kernel computes tall x wide elements of c at once: 8 registers of sums, 2 of b and 2 of a. Taller tiles
// spill to memory and vectors of 512 bits are no faster, both measured with Go 1.26.
const (
	tall = 4
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
	c.set(bias)
	var tile [tall * deep]float32
	for k := 0; k < b.K; k += deep {
		depth := min(deep, b.K-k)
		for i := 0; i < c.Rows; i += tall {
			stripe(tile[:depth*tall], c, a, b, i, k)
		}
	}
	archsimd.ClearAVXUpperBits()
}

// stripe adds the products of columns k and on of a, as many as tile has, to the rows [i, i+tall) of c. The tile
// is scratch; where a has fewer rows its last one stands in, and those sums are not used.
func stripe(tile []float32, c, a View, b *Operand, i, k int) {
	depth, rows := len(tile)/tall, min(tall, c.Rows-i)
	var from [tall][]float32
	for r := range from {
		from[r] = a.Data[(i+min(r, rows-1))*a.Stride+k:][:depth]
	}
	interleave(tile, from[0], from[1], from[2], from[3])
	for j := 0; j < b.N; j += wide {
		panel := b.data[j*b.K+k*wide : j*b.K+(k+depth)*wide]
		if width := min(wide, b.N-j); rows < tall || width < wide {
			edge(c, tile, panel, i, j, rows, width)
			continue
		}
		kernel(c.Data[i*c.Stride+j:], c.Stride, tile, panel)
	}
}

// interleave writes four rows column after column.
func interleave(tile, r0, r1, r2, r3 []float32) {
	r1, r2, r3 = r1[:len(r0)], r2[:len(r0)], r3[:len(r0)]
	for p, v := range r0 {
		column := (*[tall]float32)(tile[p*tall:])
		column[0], column[1], column[2], column[3] = v, r1[p], r2[p], r3[p]
	}
}

// edge runs the kernel beside c, for a tile that reaches over c's end.
func edge(c View, tile, panel []float32, i, j, rows, width int) {
	var block [tall * wide]float32
	for r := range rows {
		copy(block[r*wide:], c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width])
	}
	kernel(block[:], wide, tile, panel)
	for r := range rows {
		copy(c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width], block[r*wide:])
	}
}
