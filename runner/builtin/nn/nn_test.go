package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// implementations runs the test with each implementation of products and of the loops between them.
func implementations(t *testing.T, test func(t *testing.T)) {
	defer matrix.Select(matrix.Name())
	for _, name := range matrix.Names() {
		if err := matrix.Select(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, test)
	}
}

func TestExponentialIsAccurate(t *testing.T) {
	for x := -87.2; x < 88; x += 0.0007 {
		got, want := float64(exp(float32(x))), math.Exp(float64(float32(x)))
		if math.Abs(got-want) > 3e-7*want {
			t.Fatalf("exp(%g) is %g, want %g", x, got, want)
		}
	}
	for _, c := range []struct{ x, low, high float32 }{{-1000, 0, 0}, {float32(math.Inf(-1)), 0, 0}, {0, 1, 1}, {1000, 1e38, math.MaxFloat32}} {
		if got := exp(c.x); !(got >= c.low && got <= c.high) {
			t.Errorf("exp(%g) is %g", c.x, got)
		}
	}
	if got := exp(float32(math.NaN())); got == got {
		t.Errorf("exp of not a number is %g", got)
	}
}

func TestActivationsAreAccurate(t *testing.T) {
	exact := map[string]func(x float64) float64{
		"silu":       func(x float64) float64 { return x / (1 + math.Exp(-x)) },
		"quick_gelu": func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) },
		"gelu":       func(x float64) float64 { return x * 0.5 * (1 + math.Erf(x/math.Sqrt2)) },
	}
	check := func(t *testing.T, x, got []float32, want func(float64) float64) {
		t.Helper()
		for i, v := range x {
			if w := want(float64(v)); math.Abs(float64(got[i])-w) > 5e-7*math.Max(1, math.Abs(w)) {
				t.Fatalf("at %g it is %g, want %g", v, got[i], w)
			}
		}
	}
	x := []float32{0, 87.3, -87.3, 88, -88, 1000, -1000}
	for v := -30.0; v < 30; v += 0.003 {
		x = append(x, float32(v))
	}
	implementations(t, func(t *testing.T) {
		for name, want := range exact {
			f, err := ActivationNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Clone(x)
			f(got)
			check(t, x, got, want)
		}
		// GEGLU with values of 1 is GELU.
		pixels := len(x) / lanes
		pairs := Tensor{N: 1, H: 1, W: pixels, C: 2 * lanes}
		for p := range pixels {
			pairs.Data = append(append(pairs.Data, slices.Repeat([]float32{1}, lanes)...), x[p*lanes:(p+1)*lanes]...)
		}
		check(t, x[:pixels*lanes], GEGLU(&Arena{}, pairs).Data, exact["gelu"])
	})
	if _, err := ActivationNamed("mish"); err == nil {
		t.Error("an unknown activation was found")
	}
}

func TestActivationsKeepWhatIsNotANumber(t *testing.T) {
	implementations(t, func(t *testing.T) {
		x := slices.Repeat([]float32{1}, 2*lanes+1)
		x[3], x[2*lanes] = float32(math.NaN()), float32(math.NaN())
		SiLU(x)
		for i, v := range x {
			if (v != v) != (i == 3 || i == 2*lanes) {
				t.Errorf("number %d is %g", i, v)
			}
		}
	})
}

func normal(r *rand.Rand, n, h, w, c int) Tensor {
	x := Tensor{make([]float32, n*h*w*c), n, h, w, c}
	for i := range x.Data {
		x.Data[i] = float32(3 + 2*r.NormFloat64())
	}
	return x
}

func TestNormalisationsAreAccurate(t *testing.T) {
	for _, channels := range []int{6, 24} {
		implementations(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(8, 9))
			x, scale, bias := normal(r, 2, 5, 77, channels), normal(r, 1, 1, 1, channels).Data, normal(r, 1, 1, 1, channels).Data
			group := &GroupNorm{Groups: 3, Epsilon: 1e-5, scale: scale, bias: bias}
			layer := &LayerNorm{Epsilon: 1e-5, scale: scale, bias: bias}
			identity := &Dense{In: channels, Out: channels, Kernel: 1, stride: 1, bias: make([]float32, channels)}
			unit := make([]float32, channels*channels)
			for c := range channels {
				unit[c*channels+c] = 1
			}
			identity.fill(unit, nil)
			silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
			plain := func(x float64) float64 { return x }
			near(t, "group", group.Forward(&Arena{}, x), x, scale, bias, 5*77, channels/3, plain)
			near(t, "group and SiLU", group.ConvolveSiLU(&Arena{}, x, identity), x, scale, bias, 5*77, channels/3, silu)
			near(t, "layer", layer.Forward(&Arena{}, x), x, scale, bias, 1, channels, plain)
		})
	}
}

// near normalises in float64 over so many pixels and channels at a time.
func near(t *testing.T, name string, got, x Tensor, scale, bias []float32, pixels, channels int, after func(float64) float64) {
	t.Helper()
	for p := 0; p < x.Pixels(); p += pixels {
		for c := 0; c < x.C; c += channels {
			var sum, square float64
			each := func(f func(i, c int)) {
				for i := p; i < p+pixels; i++ {
					for k := c; k < c+channels; k++ {
						f(i*x.C+k, k)
					}
				}
			}
			each(func(i, _ int) { sum += float64(x.Data[i]) })
			mean := sum / float64(pixels*channels)
			each(func(i, _ int) { square += (float64(x.Data[i]) - mean) * (float64(x.Data[i]) - mean) })
			deviation := math.Sqrt(square/float64(pixels*channels) + 1e-5)
			each(func(i, c int) {
				want := after((float64(x.Data[i])-mean)/deviation*float64(scale[c]) + float64(bias[c]))
				if math.Abs(float64(got.Data[i])-want) > 5e-6*math.Max(1, math.Abs(want)) {
					t.Fatalf("%s: number %d is %g, want %g", name, i, got.Data[i], want)
				}
			})
		}
	}
}

func TestAttentionIsThatOfFloat64(t *testing.T) {
	for _, c := range []struct{ queries, keys, heads, dim int }{{1, 1, 1, 8}, {100, 77, 2, 5}, {16, 130, 3, 24}} {
		implementations(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, 3))
			q, k, v := normal(r, 2, 1, c.queries, c.heads*c.dim), normal(r, 2, 1, c.keys, c.heads*c.dim), normal(r, 2, 1, c.keys, c.heads*c.dim)
			got := Attention(&Arena{}, q, k, v, c.heads, false)
			weights := make([]float64, c.keys)
			for i := range 2 * c.queries * c.heads {
				n, head, row := i/c.heads/c.queries, i%c.heads, i/c.heads
				total := 0.0
				for s := range weights {
					dot := 0.0
					for d := range c.dim {
						dot += float64(q.Data[row*q.C+head*c.dim+d]) * float64(k.Data[(n*c.keys+s)*k.C+head*c.dim+d])
					}
					weights[s] = math.Exp(dot / math.Sqrt(float64(c.dim)))
					total += weights[s]
				}
				for d := range c.dim {
					want := 0.0
					for s, w := range weights {
						want += w / total * float64(v.Data[(n*c.keys+s)*v.C+head*c.dim+d])
					}
					if x := float64(got.Data[row*got.C+head*c.dim+d]); math.Abs(x-want) > 1e-4 {
						t.Fatalf("query %d head %d channel %d is %g, want %g", row, head, d, x, want)
					}
				}
			}
		})
	}
}

func TestResizeTakesTheNearestPixel(t *testing.T) {
	x := Tensor{Data: []float32{0, 1, 2, 3, 4, 5}, N: 1, H: 1, W: 3, C: 2}
	for _, c := range []struct {
		w    int
		want []float32
	}{
		{6, []float32{0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5}},
		{5, []float32{0, 1, 0, 1, 2, 3, 2, 3, 4, 5}},
		{3, x.Data},
		{1, []float32{0, 1}},
	} {
		f := (&Arena{}).frame(1, 1, c.w, x.C, 1, 1)
		if resize(f, x); !slices.Equal(f.line(0, 0), c.want) {
			t.Errorf("to %d: %v, want %v", c.w, f.line(0, 0), c.want)
		}
	}
}

func TestArenaLendsMemoryOnce(t *testing.T) {
	m := &Arena{}
	a := m.Floats(10)
	mark := m.Mark()
	b, big := m.Floats(slabSize-5), m.Floats(3*slabSize)
	for _, s := range [][]float32{a, b, big} {
		for i := range s {
			s[i] = float32(len(s))
		}
	}
	if a[9] != 10 || b[0] != slabSize-5 || len(big) != 3*slabSize {
		t.Fatal("lent memory overlaps")
	}
	m.Release(mark)
	c := m.Floats(5)
	if c[0] = 7; a[9] != 10 || len(m.slabs) != 3 {
		t.Fatalf("%d slabs", len(m.slabs))
	}
	if m.Peak() != 4*slabSize+5 || m.Held() < m.Peak() {
		t.Errorf("the peak is %d, held are %d", m.Peak(), m.Held())
	}
	if m.Release(Mark{}); len(m.slabs) != 1 || m.Held() != m.Peak() {
		t.Errorf("afterwards %d slabs hold %d, the peak is %d", len(m.slabs), m.Held(), m.Peak())
	}
}

// naive convolves pixel by pixel, in float64.
func naive(x Tensor, w, bias []float32, out, kernel, stride, pad int) []float64 {
	oh, ow := (x.H+2*pad-kernel)/stride+1, (x.W+2*pad-kernel)/stride+1
	y := make([]float64, 0, x.N*oh*ow*out)
	for n := range x.N {
		for i := range oh * ow {
			for o := range out {
				sum := float64(bias[o])
				for k := range kernel * kernel * x.C {
					c, ky, kx := k/(kernel*kernel), k/kernel%kernel, k%kernel
					sy, sx := i/ow*stride-pad+ky, i%ow*stride-pad+kx
					if sy >= 0 && sy < x.H && sx >= 0 && sx < x.W {
						sum += float64(w[(o*x.C+c)*kernel*kernel+ky*kernel+kx]) * float64(x.Data[((n*x.H+sy)*x.W+sx)*x.C+c])
					}
				}
				y = append(y, sum)
			}
		}
	}
	return y
}

func TestConvolution(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	for _, c := range []struct {
		name                                  string
		n, h, w, in, out, kernel, stride, pad int
	}{
		{"one pixel", 1, 1, 1, 3, 5, 3, 1, 1},
		{"same size", 2, 9, 7, 5, 6, 3, 1, 1},
		{"half size", 2, 8, 7, 4, 17, 3, 2, 1},
		{"linear", 2, 5, 5, 33, 19, 1, 1, 0},
		{"many chunks", 1, 40, 41, 16, 16, 3, 1, 1},
		{"thin", 1, 1, 9, 2, 2, 3, 1, 1},
		{"deep", 2, 5, 4, 120, 20, 3, 1, 1},
	} {
		implementations(t, func(t *testing.T) {
			x := Tensor{random(c.n * c.h * c.w * c.in), c.n, c.h, c.w, c.in}
			w, bias := random(c.out*c.in*c.kernel*c.kernel), random(c.out)
			d := &Dense{In: c.in, Out: c.out, Kernel: c.kernel, bias: bias}
			d.Strided(c.stride, c.pad, c.pad)
			d.fill(w, nil)
			got := d.Forward(&Arena{}, x)
			want := naive(x, w, bias, c.out, c.kernel, c.stride, c.pad)
			if len(got.Data) != len(want) {
				t.Fatalf("%s: the result is %s, want %d numbers", c.name, got.Shape(), len(want))
			}
			for i, v := range want {
				if math.Abs(float64(got.Data[i])-v) > max(1e-4, 1e-6*float64(c.in*c.kernel*c.kernel)) {
					t.Fatalf("%s: number %d is %g, want %g", c.name, i, got.Data[i], v)
				}
			}
		})
	}
}

func TestChangesOfLowRank(t *testing.T) {
	const in, out, kernel, rank = 5, 18, 3, 2
	implementations(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 5))
		x, w := normal(r, 1, 6, 7, in), normal(r, 1, 1, 1, out*in*kernel*kernel).Data
		changes := []Change{
			{Up: normal(r, 1, 1, out, rank).Data, Down: normal(r, 1, 1, rank, in*kernel*kernel).Data, Rank: rank, Factor: 0.25},
			{Up: normal(r, 1, 1, out, 1).Data, Down: normal(r, 1, 1, 1, in*kernel*kernel).Data, Rank: 1, Factor: -0.5},
		}
		layer := func(w []float32) *Dense {
			d := (&Dense{In: in, Out: out, Kernel: kernel, bias: make([]float32, out)}).Strided(1, 1, 1)
			d.fill(w, nil)
			return d
		}
		d := layer(w)
		before := slices.Clone(d.Forward(&Arena{}, x).Data)
		changed := slices.Clone(w)
		for _, c := range changes {
			for i := range changed {
				for k := range c.Rank {
					changed[i] += c.Factor * c.Up[i/(in*kernel*kernel)*c.Rank+k] * c.Down[k*in*kernel*kernel+i%(in*kernel*kernel)]
				}
			}
		}
		want := layer(changed).Forward(&Arena{}, x).Data
		for range 2 { // changes do not add up
			if err := d.Change(changes); err != nil {
				t.Fatal(err)
			}
			for i, v := range d.Forward(&Arena{}, x).Data {
				if math.Abs(float64(v-want[i])) > 1e-2 {
					t.Fatalf("number %d is %g, want %g", i, v, want[i])
				}
			}
		}
		if err := d.Change([]Change{{Up: changes[0].Up, Down: changes[0].Down, Rank: 1, Factor: 1}}); err == nil {
			t.Error("a change that does not fit was accepted")
		}
		if err := d.Change(nil); err != nil || !slices.Equal(before, d.Forward(&Arena{}, x).Data) {
			t.Errorf("without changes the layer is not what it was: %v", err)
		}
	})
}

// counting is a job that notes how often each task ran.
type counting struct{ runs []int32 }

func (c *counting) do(_, i int) { atomic.AddInt32(&c.runs[i], 1) }

func TestEveryTaskRunsOnce(t *testing.T) {
	for name, m := range map[string]*Arena{"plain": {}, "spinning": Spinning()} {
		for call := range 2000 {
			j := &counting{make([]int32, call%37)}
			m.parallel(1+call%9, len(j.runs), j)
			for i, n := range j.runs {
				if n != 1 {
					t.Fatalf("%s, call %d: task %d ran %d times", name, call, i, n)
				}
			}
		}
	}
}

func TestCausalAttentionSeesOnlyThePast(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x := (&Arena{}).Tensor(1, 1, 130, 8)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	before := slices.Clone(Attention(&Arena{}, x, x, x, 2, true).Data)
	x.Data[len(x.Data)-1] += 5
	after := Attention(&Arena{}, x, x, x, 2, true).Data
	last := len(before) - x.C
	if !slices.Equal(before[:last], after[:last]) {
		t.Error("a token saw one behind it")
	}
	if slices.Equal(before[last:], after[last:]) {
		t.Error("the last token does not see itself")
	}
}
