package nn

import (
	"fmt"
	"math"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// lanes is the number of values that one instruction of vectors takes.
const lanes = 8

// vectors reports whether the functions of AVX2 instructions are used; it goes with the choice of matrix products.
func vectors() bool { return matrix.Vectors() }

// Activation changes values in place.
type Activation func(x []float32)

// Activations are the ones that configurations name, by those names.
var Activations = map[string]Activation{
	"silu":       SiLU,
	"swish":      SiLU,
	"gelu":       GELU,
	"quick_gelu": QuickGELU,
}

// ActivationNamed returns the activation of that name.
func ActivationNamed(name string) (Activation, error) {
	f, ok := Activations[name]
	if !ok {
		return nil, fmt.Errorf("the activation %q is not implemented (silu, swish, gelu, quick_gelu are)", name)
	}
	return f, nil
}

// SiLU is x * sigmoid(x) (Elfwing, Uchibe and Doya 2017, arXiv:1702.03118).
func SiLU(x []float32) { sigmoid(x, 1) }

// QuickGELU is x * sigmoid(1.702 x) (Hendrycks and Gimpel 2016, arXiv:1606.08415).
func QuickGELU(x []float32) { sigmoid(x, 1.702) }

// sigmoid multiplies x by the sigmoid of factor x.
func sigmoid(x []float32, factor float32) {
	done := 0
	if vectors() && len(x) >= lanes {
		done = len(x) / lanes * lanes
		sigmoid8(&x[0], done, factor)
	}
	for i, v := range x[done:] {
		x[done+i] = v / (1 + exp(-factor*v))
	}
}

// GELU is x * Phi(x) with the exact normal distribution (Hendrycks and Gimpel 2016, arXiv:1606.08415).
func GELU(x []float32) {
	for i, v := range x {
		x[i] = gelu(v)
	}
}

// gelu takes erf from Abramowitz and Stegun, Handbook of Mathematical Functions, formula 7.1.26, whose
// absolute error is below 1.5e-7.
func gelu(x float32) float32 {
	z := x * float32(1/math.Sqrt2)
	a := z
	if a < 0 {
		a = -a
	}
	t := 1 / (1 + 0.3275911*a)
	tail := t * (0.254829592 + t*(-0.284496736+t*(1.421413741+t*(-1.453152027+t*1.061405429)))) * exp(-a*a)
	if x < 0 {
		return 0.5 * x * tail
	}
	return 0.5 * x * (2 - tail)
}

// GEGLU halves the channels: the first half times GELU of the second (Shazeer 2020, arXiv:2002.05202).
func GEGLU(m *Arena, x Tensor) Tensor {
	out := m.Tensor(x.N, x.H, x.W, x.C/2)
	m.gate = gate{out, x}
	m.parallel(elementWorkers(len(out.Data)*32), out.Pixels(), &m.gate)
	return out
}

// gate is the job of GEGLU: a pixel is a task.
type gate struct{ out, x Tensor }

func (g *gate) do(_, p int) {
	half := g.out.C
	value, gate := g.x.Data[p*2*half:p*2*half+half], g.x.Data[p*2*half+half:(p+1)*2*half]
	to := g.out.Data[p*half : (p+1)*half]
	if vectors() && half%lanes == 0 {
		geglu8(&to[0], &value[0], &gate[0], half)
		return
	}
	for i, v := range value {
		to[i] = v * gelu(gate[i])
	}
}

// exp is e^x with a relative error below 2e-7, 0 below -87.3 and held at e^88 above. x = n ln 2 + r with |r|
// at most half of ln 2; e^r is a polynomial and 2^n is put into the exponent's bits (Cody and Waite 1980,
// Software Manual for the Elementary Functions, chapter 6).
func exp(x float32) float32 {
	const (
		log2e = 1.44269504088896341
		high  = 0.693359375
		low   = -2.12194440e-4
		magic = 12582912 // 1.5 * 2^23: adding it rounds to a whole number
	)
	if x < -87.3 {
		return 0
	}
	if x > 88 {
		x = 88
	}
	n := float32(float32(x*log2e)+magic) - magic
	r := float32(x-float32(n*high)) - float32(n*low)
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}
