package matrix

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// reference multiplies in float64.
func reference(a, b []float32, bias []float32, m, n, k int) []float64 {
	c := make([]float64, m*n)
	for i := range m {
		for j := range n {
			sum := 0.0
			if bias != nil {
				sum = float64(bias[j])
			}
			for p := range k {
				sum += float64(a[i*k+p]) * float64(b[p*n+j])
			}
			c[i*n+j] = sum
		}
	}
	return c
}

func transpose(b []float32, rows, cols int) []float32 {
	t := make([]float32, len(b))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = b[i*cols+j]
		}
	}
	return t
}

func operand(d door, b View, transposed bool) *Operand {
	k, n := b.Rows, b.Cols
	if transposed {
		k, n = n, k
	}
	o := &Operand{K: k, N: n, data: make([]float32, d.size(k, n))}
	d.fill(o.data, b, transposed)
	return o
}

var shapes = []struct{ m, n, k int }{
	{1, 1, 1}, {1, 16, 3}, {6, 16, 8}, {7, 17, 9}, {5, 15, 300}, {64, 77, 24}, {13, 3, 144}, {70, 130, 257}, {256, 64, 576},
	{8, 33, 2500}, {13, 330, 700}, // deeper than one pass, more columns than stay in the cache
}

func TestProductIsThatOfFloat64(t *testing.T) {
	for _, d := range doors() {
		for _, s := range shapes {
			for _, transposed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %dx%dx%d transposed %v", d.name(), s.m, s.n, s.k, transposed), func(t *testing.T) {
					r := rand.New(rand.NewPCG(1, 2))
					a, b, bias := random(r, s.m*s.k), random(r, s.k*s.n), random(r, s.n)
					view := Dense(b, s.k, s.n)
					if transposed {
						view = Dense(transpose(b, s.k, s.n), s.n, s.k)
					}
					c := make([]float32, s.m*s.n)
					d.multiply(Dense(c, s.m, s.n), Rows(Dense(a, s.m, s.k)), operand(d, view, transposed), bias, nil)
					for i, want := range reference(a, b, bias, s.m, s.n, s.k) {
						if math.Abs(float64(c[i])-want) > 2e-6*float64(s.k+10) {
							t.Fatalf("element %d is %g, want %g", i, c[i], want)
						}
					}
				})
			}
		}
	}
}

func TestStridesLeaveTheGapsAlone(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name(), func(t *testing.T) {
			const m, n, k, stride = 9, 21, 10, 40
			r := rand.New(rand.NewPCG(3, 4))
			a, b := random(r, m*stride), random(r, k*stride)
			c := slices.Repeat([]float32{7}, m*stride)
			view := View{Data: b, Rows: k, Cols: n, Stride: stride}
			d.multiply(View{c, m, n, stride}, Rows(View{a, m, k, stride}), operand(d, view, false), nil, nil)
			for i := range m {
				for j := range stride {
					want := 7.0
					if j < n {
						want = 0
						for p := range k {
							want += float64(a[i*stride+p]) * float64(b[p*stride+j])
						}
					}
					if math.Abs(float64(c[i*stride+j])-want) > 1e-4 {
						t.Fatalf("element %d,%d is %g, want %g", i, j, c[i*stride+j], want)
					}
				}
			}
		})
	}
}

func TestBitsDependNeitherOnRowsNorOnProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, d := range doors() {
		t.Run(d.name(), func(t *testing.T) {
			const m, n, k = 301, 150, 300
			r := rand.New(rand.NewPCG(5, 6))
			a, b := Dense(random(r, m*k), m, k), operand(d, Dense(random(r, k*n), k, n), false)
			whole, parts := make([]float32, m*n), make([]float32, m*n)
			runtime.GOMAXPROCS(1)
			d.multiply(Dense(whole, m, n), Rows(a), b, nil, nil)
			runtime.GOMAXPROCS(4)
			c := Dense(parts, m, n)
			for from := 0; from < m; from += 48 {
				to := min(from+48, m)
				d.multiply(c.Slice(from, to), Rows(a.Slice(from, to)), b, nil, nil)
			}
			if !slices.Equal(whole, parts) {
				t.Fatal("the product in parts differs from the whole")
			}
		})
	}
}

func TestAddedProductIsThatOfFloat64(t *testing.T) {
	defer Select(Name())
	for _, name := range Names() {
		for _, s := range shapes {
			t.Run(fmt.Sprintf("%s %dx%dx%d", name, s.m, s.n, s.k), func(t *testing.T) {
				if err := Select(name); err != nil {
					t.Fatal(err)
				}
				r := rand.New(rand.NewPCG(7, 8))
				before, a, b := random(r, s.m*s.n), random(r, s.m*s.k), random(r, s.k*s.n)
				o := New(Dense(before, s.m, s.n), false)
				kept := o.Clone()
				o.AddProduct(Dense(a, s.m, s.k), New(Dense(b, s.k, s.n), false))
				added := operandValues(o)
				for i, want := range reference(a, b, nil, s.m, s.n, s.k) {
					if math.Abs(float64(added[i])-want-float64(before[i])) > 2e-6*float64(s.k+10) {
						t.Fatalf("element %d is %g, want %g", i, added[i], want+float64(before[i]))
					}
				}
				if !slices.Equal(operandValues(kept), before) {
					t.Error("the copy changed with the original")
				}
				if o.Copy(kept); !slices.Equal(operandValues(o), before) {
					t.Error("copying back does not give the first contents")
				}
			})
		}
	}
}

// operandValues multiplies the operand by the unit matrix.
func operandValues(o *Operand) []float32 {
	unit, out := make([]float32, o.K*o.K), make([]float32, o.K*o.N)
	for i := range o.K {
		unit[i*o.K+i] = 1
	}
	Multiply(Dense(out, o.K, o.N), Dense(unit, o.K, o.K), o, nil)
	return out
}

func TestPatchesThatReachOverTheirDataAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Patches
		rows int
	}{
		{"rows", Rows(View{Data: make([]float32, 11), Rows: 3, Cols: 4, Stride: 4}), 3},
		{"runs", Patches{Data: make([]float32, 11), Width: 1, Lines: 1, Run: 2, Runs: 2, RunStep: 10}, 1},
		{"columns", Rows(Dense(make([]float32, 15), 3, 5)), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the product was computed")
				}
			}()
			Convolve(Dense(make([]float32, 12), c.rows, 4), c.a, New(Dense(make([]float32, 16), 4, 4), false), nil, nil)
		})
	}
}

// The shapes that matter in the shipped model: convolutions of the UNet and the VAE, and attention.
var benchShapes = []struct{ m, n, k int }{
	{256, 64, 576}, {64, 96, 864}, {16384, 16, 144}, {77, 128, 128}, {512, 96, 864},
}

func BenchmarkMultiply(b *testing.B) {
	for _, d := range doors() {
		for _, s := range benchShapes {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", d.name(), s.m, s.k, s.n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				a, w := Dense(random(r, s.m*s.k), s.m, s.k), operand(d, Dense(random(r, s.k*s.n), s.k, s.n), false)
				c := Dense(make([]float32, s.m*s.n), s.m, s.n)
				for b.Loop() {
					d.multiply(c, Rows(a), w, nil, nil)
				}
				flop := 2 * float64(s.m) * float64(s.n) * float64(s.k) * float64(b.N)
				b.ReportMetric(flop/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func TestSelect(t *testing.T) {
	before := Name()
	for _, name := range Names() {
		if err := Select(name); err != nil || Name() != name {
			t.Errorf("selecting %s gave %s, %v", name, Name(), err)
		}
	}
	if err := Select("none"); err == nil {
		t.Error("a door that is not there was selected")
	}
	if err := Select(before); err != nil {
		t.Fatal(err)
	}
}
