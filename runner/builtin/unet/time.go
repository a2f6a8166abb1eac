package unet

import (
	"math"

	"github.com/easelgrid/easel/runner/builtin/nn"
)

// timeEmbedding turns a timestep into the vector that every residual block adds: sines and cosines of many
// frequencies (Vaswani et al. 2017, arXiv:1706.03762, section 3.5) and two linear layers.
type timeEmbedding struct {
	width     int
	flip      bool
	freqShift float64
	in, out   *nn.Dense
}

func newTimeEmbedding(w *nn.Weights, c Config) *timeEmbedding {
	wide := 4 * c.Channels[0]
	return &timeEmbedding{
		width:     c.Channels[0],
		flip:      c.FlipSinToCos,
		freqShift: c.FreqShift,
		in:        w.Linear("time_embedding.linear_1", c.Channels[0], wide),
		out:       w.Linear("time_embedding.linear_2", wide, wide),
	}
}

// forward returns one row, already through SiLU, as all its readers want it.
func (e *timeEmbedding) forward(m *nn.Arena, timestep float32) nn.Tensor {
	x := m.Tensor(1, 1, 1, e.width)
	e.waves(x.Data, timestep)
	x = e.in.Forward(m, x)
	nn.SiLU(x.Data)
	x = e.out.Forward(m, x)
	nn.SiLU(x.Data)
	return x
}

// waves rounds where PyTorch rounds: at large timesteps a phase in float64 would differ visibly.
func (e *timeEmbedding) waves(dst []float32, timestep float32) {
	half := e.width / 2
	for i := range half {
		exponent := float32(-math.Log(10000)) * float32(i) / float32(float64(half)-e.freqShift)
		phase := float64(timestep * float32(math.Exp(float64(exponent))))
		sine, cosine := float32(math.Sin(phase)), float32(math.Cos(phase))
		if e.flip {
			sine, cosine = cosine, sine
		}
		dst[i], dst[half+i] = sine, cosine
	}
}
