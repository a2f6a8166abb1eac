package scheduler

import "math"

// ladder is what the methods share that walk down noise levels with sample = picture + sigma*noise, the
// scaling of Karras et al. 2022, arXiv:2206.00364. The model sees the sample divided by sqrt(sigma^2+1), which
// is how it was trained.
type ladder struct {
	timesteps  []float32
	sigmas     []float32 // at each call, and one more for the end
	init       float32
	prediction prediction
}

// ladder places the steps, one call each. Its last sigma is 0.
func (s settings) ladder(steps int) ladder {
	t := s.table()
	times := s.spread(steps)
	sigmas := make([]float64, steps)
	for i := range times {
		times[i] = float64(float32(times[i]))
		sigmas[i] = t.at(times[i])
	}
	if s.respaced() {
		sigmas = s.respace(sigmas[0], sigmas[steps-1], steps)
		for i, sigma := range sigmas {
			times[i] = t.time(sigma)
		}
	}
	l := ladder{prediction: s.prediction, sigmas: make([]float32, steps+1), timesteps: make([]float32, steps)}
	for i, sigma := range sigmas {
		l.timesteps[i], l.sigmas[i] = float32(times[i]), float32(sigma)
		l.init = max(l.init, l.sigmas[i])
	}
	if s.spacing == "leading" {
		l.init = sqrt32(l.init*l.init + 1)
	}
	return l
}

func (l *ladder) InitSigma() float32 { return l.init }

func (l *ladder) Timesteps() []float32 { return l.timesteps }

func (l *ladder) Order() int { return 1 }

func (l *ladder) Scale(dst, sample []float32, call int) { scaleDown(dst, sample, l.sigmas[call]) }

func scaleDown(dst, sample []float32, sigma float32) {
	divisor := sqrt32(sigma*sigma + 1)
	for i, x := range sample {
		dst[i] = x / divisor
	}
}

func (l *ladder) AddNoise(dst, original, noise []float32, call int) {
	sigma := float32(0)
	if call < len(l.timesteps) {
		sigma = l.sigmas[call]
	}
	for i, x := range original {
		dst[i] = x + noise[i]*sigma
	}
}

// descend moves the sample along its derivative from a sigma to another (formula 1 of the paper above).
func (l *ladder) descend(sample, output, original []float32, from, to float32) {
	for i, x := range sample {
		picture := l.prediction.denoise(x, output[i], from)
		original[i] = picture
		sample[i] = x + (x-picture)/from*(to-from)
	}
}

// double is the ladder of a method with two calls to a step, except the last: the second of each is at the
// given sigma. Its timesteps and sigmas are those of the calls.
func (l ladder) double(second func(step int) (time, sigma float32)) ladder {
	steps := len(l.timesteps)
	d := ladder{init: l.init, prediction: l.prediction}
	for i := range steps {
		d.timesteps, d.sigmas = append(d.timesteps, l.timesteps[i]), append(d.sigmas, l.sigmas[i])
		if i < steps-1 {
			time, sigma := second(i)
			d.timesteps, d.sigmas = append(d.timesteps, time), append(d.sigmas, sigma)
		}
	}
	d.sigmas = append(d.sigmas, l.sigmas[steps])
	return d
}

// ancestral splits a sigma into fresh noise and what the walk goes down to, so that together they have it
// (Song et al. 2020, arXiv:2011.13456, appendix F).
func ancestral(from, to float32) (up, down float32) {
	if from == 0 {
		return 0, 0
	}
	up = sqrt32(max(to*to*(from*from-to*to)/(from*from), 0))
	down = sqrt32(max(to*to-up*up, 0))
	if down == 0 {
		// The difference is lost to rounding after a large step.
		down = to * to / from
	}
	return up, down
}

// halfway is the geometric mean of two sigmas; 0 if one is 0.
func halfway(a, b float32) float32 {
	if a == 0 || b == 0 {
		return 0
	}
	return exp32(float32((math.Log(float64(a)) + math.Log(float64(b))) / 2))
}
