package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

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
	for name, want := range exact {
		t.Run(name, func(t *testing.T) {
			f, err := ActivationNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			for x := -30.0; x < 30; x += 0.003 {
				got := []float32{float32(x)}
				f(got)
				if w := want(float64(float32(x))); math.Abs(float64(got[0])-w) > 5e-7*math.Max(1, math.Abs(w)) {
					t.Fatalf("at %g it is %g, want %g", x, got[0], w)
				}
			}
		})
	}
	if _, err := ActivationNamed("mish"); err == nil {
		t.Error("an unknown activation was found")
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
		if got := Resize(&Arena{}, x, 1, c.w); !slices.Equal(got.Data, c.want) {
			t.Errorf("to %d: %v, want %v", c.w, got.Data, c.want)
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
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Tensor{random(c.n * c.h * c.w * c.in), c.n, c.h, c.w, c.in}
			w, bias := random(c.out*c.in*c.kernel*c.kernel), random(c.out)
			d := &Dense{In: c.in, Out: c.out, Kernel: c.kernel, bias: bias}
			d.Strided(c.stride, c.pad, c.pad)
			d.fill(w)
			got := d.Forward(&Arena{}, x)
			want := naive(x, w, bias, c.out, c.kernel, c.stride, c.pad)
			if len(got.Data) != len(want) {
				t.Fatalf("the result is %s, want %d numbers", got.Shape(), len(want))
			}
			for i, v := range want {
				if math.Abs(float64(got.Data[i])-v) > 1e-4 {
					t.Fatalf("number %d is %g, want %g", i, got.Data[i], v)
				}
			}
		})
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
