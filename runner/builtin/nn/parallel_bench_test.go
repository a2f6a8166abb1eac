package nn_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/unet"
	"github.com/easelgrid/easel/runner/builtin/vae"
)

func gaussian(n, h, w, c int) nn.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	t := nn.Tensor{Data: make([]float32, n*h*w*c), N: n, H: h, W: w, C: c}
	for i := range t.Data {
		t.Data[i] = float32(r.NormFloat64())
	}
	return t
}

// BenchmarkParallel compares the two ways of sharing an operation among goroutines: those that live as long as the
// operation, which the engine has, and those that stay and spin for work. Both take turns on the same input, so that
// whatever else the machine does falls on both. The sizes are those of the shipped model.
func BenchmarkParallel(b *testing.B) {
	u, err := unet.Open(builtin.Shipped(), "unet")
	if err != nil {
		b.Fatal(err)
	}
	v, err := vae.Open(builtin.Shipped(), "vae")
	if err != nil {
		b.Fatal(err)
	}
	text := gaussian(2, 1, 77, u.Config.ContextWidth)
	step := func(side int) func(*nn.Arena) error {
		latents := gaussian(2, side, side, u.Config.In)
		return func(m *nn.Arena) error {
			_, err := u.Forward(b.Context(), m, latents, 500, text)
			return err
		}
	}
	layer := func(f func(m *nn.Arena)) func(*nn.Arena) error {
		return func(m *nn.Arena) error { f(m); return nil }
	}
	one, picture, tokens, wide := gaussian(1, 16, 16, u.Config.In), gaussian(2, 16, 16, 64), gaussian(2, 1, 256, 64), gaussian(2, 1, 64, 768)
	convolution := nn.NewDense(64, 64, 3)
	for _, c := range []struct {
		name string
		run  func(*nn.Arena) error
	}{
		{"step 128x128", step(16)},
		{"step 256x256", step(32)},
		{"decode", func(m *nn.Arena) error { _, err := v.Decode(b.Context(), m, one); return err }},
		{"convolution", layer(func(m *nn.Arena) { convolution.Forward(m, picture) })},
		{"attention", layer(func(m *nn.Arena) { nn.Attention(m, tokens, tokens, tokens, 4, false) })},
		{"geglu", layer(func(m *nn.Arena) { nn.GEGLU(m, wide) })},
	} {
		b.Run(c.name, func(b *testing.B) { compare(b, &nn.Arena{}, nn.Spinning(), c.run) })
	}
}

// compare reports the medians of the two ways and their ratio.
func compare(b *testing.B, plain, spinning *nn.Arena, run func(*nn.Arena) error) {
	ways := []*nn.Arena{plain, spinning}
	var times [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for k := range ways {
			k = (k + i) % 2 // neither is always the first
			ways[k].Release(nn.Mark{})
			started := time.Now()
			if err := run(ways[k]); err != nil {
				b.Fatal(err)
			}
			times[k] = append(times[k], time.Since(started))
		}
	}
	median := func(k int) float64 {
		slices.Sort(times[k])
		return 1e6 * times[k][len(times[k])/2].Seconds()
	}
	b.ReportMetric(0, "ns/op") // of both together: no figure of use
	b.ReportMetric(median(0), "plain-us")
	b.ReportMetric(median(1), "spinning-us")
	b.ReportMetric(median(1)/median(0), "spinning/plain")
}
