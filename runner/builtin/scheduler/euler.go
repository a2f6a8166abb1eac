package scheduler

import "math"

// euler is diffusers' EulerDiscreteScheduler without churn (Karras et al. 2022, arXiv:2206.00364, algorithm 2
// with S_churn 0).
type euler struct {
	timesteps  []float32
	sigmas     []float32 // one more than timesteps; the last is 0
	init       float32
	prediction string
}

func newEuler(c Config, steps int) *euler {
	e := &euler{prediction: c.Prediction}
	spacing := c.spacing("linspace")
	all := make([]float64, c.TrainTimesteps)
	for i, alpha := range c.alphasCumprod() {
		all[i] = float64(float32(math.Sqrt(float64((1 - alpha) / alpha))))
	}
	highest := float32(0)
	for _, t := range c.spread(spacing, steps) {
		t := float32(t)
		sigma := float32(interpolate(all, float64(t)))
		e.timesteps = append(e.timesteps, t)
		e.sigmas = append(e.sigmas, sigma)
		highest = max(highest, sigma)
	}
	e.sigmas = append(e.sigmas, 0)
	e.init = highest
	if spacing == "leading" {
		e.init = float32(math.Sqrt(float64(highest*highest + 1)))
	}
	return e
}

// interpolate reads a table between its entries.
func interpolate(table []float64, at float64) float64 {
	low := int(at)
	if low >= len(table)-1 {
		return table[len(table)-1]
	}
	return table[low] + (table[low+1]-table[low])*(at-float64(low))
}

func (e *euler) InitSigma() float32 { return e.init }

func (e *euler) Timesteps() []float32 { return e.timesteps }

func (e *euler) Order() int { return 1 }

func (e *euler) Begin(int) {}

func (e *euler) AddNoise(dst, original, noise []float32, call int) {
	for i, x := range original {
		dst[i] = x + noise[i]*e.sigmas[call]
	}
}

func (e *euler) Scale(dst, sample []float32, step int) {
	sigma := e.sigmas[step]
	divisor := float32(math.Sqrt(float64(sigma*sigma + 1)))
	for i, x := range sample {
		dst[i] = x / divisor
	}
}

func (e *euler) Step(sample, output, original []float32, step int) {
	sigma := e.sigmas[step]
	dt := e.sigmas[step+1] - sigma
	for i, x := range sample {
		x0 := e.predict(x, output[i], sigma)
		original[i] = x0
		sample[i] = x + (x-x0)/sigma*dt
	}
}

// predict returns x0 (Karras et al., table 1).
func (e *euler) predict(x, output, sigma float32) float32 {
	switch e.prediction {
	case "sample":
		return output
	case "v_prediction":
		square := sigma*sigma + 1
		return output*(-sigma/float32(math.Sqrt(float64(square)))) + x/square
	default:
		return x - sigma*output
	}
}
