package nn

import "math/rand/v2"

// NewDense is a convolution with random weights, for benchmarks.
func NewDense(in, out, kernel int) *Dense {
	r := rand.New(rand.NewPCG(5, 6))
	w := make([]float32, out*in*kernel*kernel)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	d := (&Dense{In: in, Out: out, Kernel: kernel, bias: make([]float32, out)}).Strided(1, kernel/2, kernel/2)
	d.fill(w, nil)
	return d
}
