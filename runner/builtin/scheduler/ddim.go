package scheduler

import "math"

// ddim is diffusers' DDIMScheduler with eta 0 (Song, Meng and Ermon 2020, arXiv:2010.02502, formula 12).
type ddim struct {
	timesteps  []float32
	alpha      []float64 // cumulative product at each step
	prev       []float64 // and at the step it leads to
	prediction string
	clip       float32 // bound of x0, or 0 for none
}

func newDDIM(c Config, steps int) *ddim {
	d := &ddim{prediction: c.Prediction}
	if c.ClipSample == nil || *c.ClipSample {
		d.clip = float32(c.ClipRange)
	}
	alphas := c.alphasCumprod()
	last := float64(alphas[0])
	if c.AlphaToOne {
		last = 1
	}
	for _, t := range c.spread(c.spacing("leading"), steps) {
		at := int(math.RoundToEven(t))
		prev := last
		if p := at - c.TrainTimesteps/steps; p >= 0 {
			prev = float64(alphas[p])
		}
		d.timesteps = append(d.timesteps, float32(at))
		d.alpha = append(d.alpha, float64(alphas[at]))
		d.prev = append(d.prev, prev)
	}
	return d
}

func (d *ddim) InitSigma() float32 { return 1 }

func (d *ddim) Timesteps() []float32 { return d.timesteps }

func (d *ddim) Order() int { return 1 }

func (d *ddim) Begin(int) {}

func (d *ddim) AddNoise(dst, original, noise []float32, call int) {
	if call == len(d.alpha) {
		copy(dst, original)
		return
	}
	a, b := float32(math.Sqrt(d.alpha[call])), float32(math.Sqrt(1-d.alpha[call]))
	for i, x := range original {
		dst[i] = a*x + b*noise[i]
	}
}

func (d *ddim) Scale(dst, sample []float32, _ int) { copy(dst, sample) }

func (d *ddim) Step(sample, output, original []float32, step int) {
	a, b := float32(math.Sqrt(d.alpha[step])), float32(math.Sqrt(1-d.alpha[step]))
	pa, pb := float32(math.Sqrt(d.prev[step])), float32(math.Sqrt(1-d.prev[step]))
	for i, x := range sample {
		x0, noise := d.predict(x, output[i], a, b)
		if d.clip > 0 {
			x0 = min(max(x0, -d.clip), d.clip)
		}
		original[i] = x0
		sample[i] = pa*x0 + pb*noise
	}
}

// predict returns x0 and the noise, given a = sqrt(alpha) and b = sqrt(1 - alpha). The v parametrisation is
// that of Salimans and Ho 2022, arXiv:2202.00512.
func (d *ddim) predict(x, output, a, b float32) (x0, noise float32) {
	switch d.prediction {
	case "sample":
		return output, (x - a*output) / b
	case "v_prediction":
		return a*x - b*output, a*output + b*x
	default:
		return (x - b*output) / a, output
	}
}
