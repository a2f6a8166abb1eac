package unet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

func shipped(t testing.TB) *Model {
	t.Helper()
	m, err := Open(os.DirFS("../model"), "unet")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// noise is a guided pair of latents with a text of one chunk.
func noise(c Config, side int) (x, text nn.Tensor) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(t nn.Tensor) nn.Tensor {
		t.Data = make([]float32, t.N*t.H*t.W*t.C)
		for i := range t.Data {
			t.Data[i] = float32(r.NormFloat64())
		}
		return t
	}
	return random(nn.Tensor{N: 2, H: side, W: side, C: c.In}), random(nn.Tensor{N: 2, H: 1, W: 77, C: c.ContextWidth})
}

// predict calls the network and takes back what it lent.
func predict(t testing.TB, m *Model, a *nn.Arena, x, text nn.Tensor) []float32 {
	t.Helper()
	mark := a.Mark()
	defer a.Release(mark)
	out, err := m.Forward(t.Context(), a, x, 500, text)
	if err != nil {
		t.Fatal(err)
	}
	return out.Data
}

func TestStepsAllocateNothingAfterTheFirst(t *testing.T) {
	if !matrix.Vectors() {
		t.Skip("gonum's products allocate where they start goroutines of their own")
	}
	m, a := shipped(t), &nn.Arena{}
	for _, merging := range []float64{0, 0.5} {
		m.Merging = merging
		x, text := noise(m.Config, 16)
		predict(t, m, a, x, text)
		if n := testing.AllocsPerRun(5, func() { predict(t, m, a, x, text) }); n != 0 {
			t.Errorf("merging %g, one processor: %g allocations in a step", merging, n)
		}
		// The runtime allocates on occasion for itself, so the least of some steps counts.
		least := ^uint64(0)
		for range 10 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			predict(t, m, a, x, text)
			runtime.ReadMemStats(&after)
			least = min(least, after.Mallocs-before.Mallocs)
		}
		if least != 0 {
			t.Errorf("merging %g, %d processors: at least %d allocations in a step", merging, runtime.GOMAXPROCS(0), least)
		}
	}
}

// BenchmarkStep is a guided step of the shipped model at 128 x 128 pixels.
func BenchmarkStep(b *testing.B) {
	defer matrix.Select(matrix.Name())
	for _, name := range matrix.Names() {
		b.Run(name, func(b *testing.B) {
			if err := matrix.Select(name); err != nil {
				b.Fatal(err)
			}
			m, a := shipped(b), &nn.Arena{}
			x, text := noise(m.Config, 16)
			predict(b, m, a, x, text)
			b.ReportAllocs()
			for b.Loop() {
				predict(b, m, a, x, text)
			}
		})
	}
}

// golden reads planes (N, C, H, W) or rows (N, T, C) that scripts/golden/tokenmerging.py made.
func golden(t *testing.T, file *safetensors.File, name string) nn.Tensor {
	t.Helper()
	tensor, ok := file.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	data, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	s := tensor.Shape
	if len(s) == 3 {
		return nn.Tensor{Data: data, N: s[0], H: 1, W: s[1], C: s[2]}
	}
	out := nn.Tensor{N: s[0], H: s[2], W: s[3], C: s[1]}
	one := len(data) / out.N
	for n := range out.N {
		out.Data = append(out.Data, nn.FromPlanes(&nn.Arena{}, data[n*one:(n+1)*one], 1, out.H, out.W, out.C).Data...)
	}
	return out
}

func TestMergingIsThatOfTheReference(t *testing.T) {
	m, err := Open(os.DirFS("../testdata/first"), "unet")
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(os.DirFS("testdata"), "merging.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	x, text := golden(t, file, "sample"), golden(t, file, "text")
	plain := golden(t, file, "merged.0")
	for _, merging := range []float64{0, 0.3, 0.75} {
		t.Run(fmt.Sprint(merging), func(t *testing.T) {
			m.Merging = merging
			out, err := m.Forward(t.Context(), &nn.Arena{}, x, 301, text)
			if err != nil {
				t.Fatal(err)
			}
			want := golden(t, file, fmt.Sprintf("merged.%g", merging))
			if e := relativeError(out.Data, want.Data); !(e <= 1e-4) {
				t.Errorf("relative error %.2g", e)
			}
			if e := relativeError(out.Data, plain.Data); merging > 0 && e < 1e-2 {
				t.Errorf("merging changes only %.2g", e)
			}
		})
	}
}

func relativeError(got, want []float32) float64 {
	var difference, norm float64
	for i, w := range want {
		difference += float64(got[i]-w) * float64(got[i]-w)
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(difference / norm)
}

func TestMergingOfNothingChangesNoBit(t *testing.T) {
	m, a := shipped(t), &nn.Arena{}
	x, text := noise(m.Config, 16)
	before := slices.Clone(predict(t, m, a, x, text))
	m.Merging = 0.5
	merged := slices.Clone(predict(t, m, a, x, text))
	for _, none := range []float64{0, 0.5 / 64} {
		m.Merging = none
		if !slices.Equal(before, predict(t, m, a, x, text)) {
			t.Errorf("merging %g of 64 tokens changes the prediction", none)
		}
	}
	if slices.Equal(before, merged) {
		t.Error("merging half of the tokens changes nothing")
	}
}

func TestMergingIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m, a := shipped(t), &nn.Arena{}
	m.Merging = 0.6
	x, text := noise(m.Config, 32)
	want := slices.Clone(predict(t, m, a, x, text))
	for _, processors := range []int{2, 3, 8} {
		runtime.GOMAXPROCS(processors)
		if !slices.Equal(want, predict(t, m, a, x, text)) {
			t.Errorf("GOMAXPROCS %d gives another prediction", processors)
		}
	}
}

func TestImpossibleMergingIsRefused(t *testing.T) {
	m := shipped(t)
	x, text := noise(m.Config, 8)
	for _, merging := range []float64{-0.1, 0.76, math.NaN(), math.Inf(1)} {
		m.Merging = merging
		if _, err := m.Forward(t.Context(), &nn.Arena{}, x, 1, text); err == nil {
			t.Errorf("merging %g was accepted", merging)
		}
	}
}

// BenchmarkSelfAttention is the self-attention of the first transformer in a guided step at 256 x 256 pixels, and
// BenchmarkMerging the same with half of the tokens merged.
func BenchmarkSelfAttention(b *testing.B) { benchmarkSelf(b, 0) }

func BenchmarkMerging(b *testing.B) { benchmarkSelf(b, 0.5) }

func benchmarkSelf(b *testing.B, merging float64) {
	m, a := shipped(b), &nn.Arena{}
	level := m.Config.firstAttention()
	side := 32 >> level
	r := rand.New(rand.NewPCG(1, 2))
	x := a.Tensor(2, side, side, m.Config.Channels[level])
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	self := m.downs[level].steps[0].attention.layers[0].self
	b.ReportAllocs()
	for b.Loop() {
		mark := a.Mark()
		selfAttention(a, self, x, merging)
		a.Release(mark)
	}
}
