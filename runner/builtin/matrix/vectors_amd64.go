package matrix

const (
	// tall x wide elements of c are computed at once.
	tall = 6
	wide = 16
	// deep is the largest number of rows of a panel that one pass goes through: with 64 KiB, panels and the rows
	// that meet them stay in the second-level cache.
	deep = 1024
	// resident is the number of floats of panels that stay in the second-level cache of every processor that has
	// the instructions, 384 KiB at most being asked of it.
	resident = 96 << 10
)

// vectors is the AVX2 implementation. Its operand is cut into panels of 16 columns, each row-major and the
// last one filled up with zeros, so that the kernel reads memory in one straight line. The left side is read where
// it lies: a convolution's patches are never written down (Dukhan 2019, arXiv:1907.02129, has the idea).
type vectors struct{}

func (vectors) name() string { return "avx2" }

func (vectors) size(k, n int) int { return (n + wide - 1) / wide * wide * k }

func (vectors) scratch(Patches, int) int { return 0 }

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
		if j+wide > b.Rows {
			clear(panel)
		}
		for jj := range min(wide, b.Rows-j) {
			for i, x := range b.Data[(j+jj)*b.Stride : (j+jj)*b.Stride+b.Cols] {
				panel[i*wide+jj] = x
			}
		}
	}
}

func (vectors) multiply(c View, a Patches, b *Operand, bias, _ []float32) {
	c.set(bias)
	if a.Runs*a.Run <= deep {
		sweep(c, a, b, 0, 0, a.Run, a.Runs)
		return
	}
	for r := range a.Runs {
		for k := 0; k < a.Run; k += deep {
			sweep(c, a, b, r*a.Run+k, r*a.RunStep+k, min(deep, a.Run-k), 1)
		}
	}
}

// add goes panel by panel: each is a matrix of its own, 16 wide.
func (vectors) add(o *Operand, a View, b *Operand) {
	for j := 0; j < o.N; j += wide {
		panel := View{Data: o.data[j*o.K:], Rows: o.K, Cols: wide, Stride: wide}
		columns := &Operand{K: b.K, N: wide, data: b.data[j*b.K:]}
		for k := 0; k < b.K; k += deep {
			sweep(panel, Rows(a), columns, k, k, min(deep, b.K-k), 1)
		}
	}
}

// sweep adds the products of runs of a, which begin at the given float of each patch, and the rows of b from k on. It
// goes through as many panels at a time as stay in the second-level cache.
func sweep(c View, a Patches, b *Operand, k, at, run, runs int) {
	t := tile{run: run, runs: runs, step: 4 * a.RunStep}
	columns := max(1, resident/(run*runs*wide)) * wide
	for from := 0; from < b.N; from += columns {
		to := min(from+columns, b.N)
		next := a.walk()
		for i := 0; i < c.Rows; i += tall {
			rows := min(tall, c.Rows-i)
			for r := range rows {
				t.a[r] = &a.Data[next.at+at]
				next.advance(&a)
			}
			for r := rows; r < tall; r++ {
				t.a[r] = t.a[rows-1]
			}
			for j := from; j < to; j += wide {
				t.b = &b.data[j*b.K+k*wide]
				if width := min(wide, b.N-j); rows < tall || width < wide {
					edge(&t, c, i, j, rows, width)
					continue
				}
				tile6(&t, &c.Data[i*c.Stride+j], 4*c.Stride)
			}
		}
	}
}

// edge runs the kernel beside c, for a tile that reaches past c's end.
func edge(t *tile, c View, i, j, rows, width int) {
	var block [tall * wide]float32
	for r := range rows {
		copy(block[r*wide:], c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width])
	}
	if rows <= 2 {
		tile2(t, &block[0], 4*wide)
	} else {
		tile6(t, &block[0], 4*wide)
	}
	for r := range rows {
		copy(c.Data[(i+r)*c.Stride+j:(i+r)*c.Stride+j+width], block[r*wide:])
	}
}
