package scheduler

import "math"

// rungs is what the methods of the DPM-Solver family share: sample = alpha*picture + sigma*noise with alpha^2
// + sigma^2 = 1, and steps in lambda = log(alpha/sigma), half the log signal-to-noise ratio (Lu et al. 2022,
// arXiv:2206.00927, section 3).
type rungs struct {
	timesteps            []float32
	alpha, sigma, lambda []float32 // at each call, and one more for the end
	ratio                []float32 // sigma/alpha
	prediction           prediction
}

// rungs takes whole timesteps, as diffusers does. Lowest is the last sigma where it is not 0.
func (s settings) rungs(steps int, lowest func(table, []float64) float64) rungs {
	t := s.table()
	times := s.spreadOpen(steps)
	sigmas := make([]float64, steps)
	for i, time := range times {
		sigmas[i] = t.at(time)
	}
	if s.respaced() {
		sigmas = s.respace(t.sigmas[s.train-1], t.sigmas[0], steps)
		for i, sigma := range sigmas {
			times[i] = t.time(sigma)
			if s.sigmaSchedule == "karras" {
				times[i] = math.RoundToEven(times[i])
			}
			times[i] = math.Floor(times[i])
		}
	}
	r := rungs{prediction: s.prediction}
	for i, sigma := range sigmas {
		r.timesteps = append(r.timesteps, float32(times[i]))
		r.add(float32(sigma))
	}
	if s.finalZero {
		r.add(0)
	} else {
		r.add(float32(lowest(t, sigmas)))
	}
	return r
}

func (r *rungs) add(sigma float32) {
	alpha := 1 / sqrt32(sigma*sigma+1)
	r.ratio = append(r.ratio, sigma)
	r.alpha = append(r.alpha, alpha)
	r.sigma = append(r.sigma, sigma*alpha)
	r.lambda = append(r.lambda, log32(alpha)-log32(sigma*alpha))
}

// lowestOfTable ends where training begins.
func lowestOfTable(t table, _ []float64) float64 { return t.sigmas[0] }

// lowestOfSchedule ends a schedule of its own at its last sigma again.
func (s settings) lowestOfSchedule(t table, sigmas []float64) float64 {
	if !s.respaced() {
		return t.sigmas[0]
	}
	return sigmas[len(sigmas)-1]
}

func (r *rungs) InitSigma() float32 { return 1 }

func (r *rungs) Timesteps() []float32 { return r.timesteps }

func (r *rungs) Order() int { return 1 }

func (r *rungs) Scale(dst, sample []float32, _ int) { copy(dst, sample) }

func (r *rungs) AddNoise(dst, original, noise []float32, call int) {
	if call == len(r.timesteps) {
		copy(dst, original)
		return
	}
	for i, x := range original {
		dst[i] = r.alpha[call]*x + r.sigma[call]*noise[i]
	}
}

// split writes the picture to original and, to output's form, what the method extrapolates: the picture or
// the noise.
func (r *rungs) split(form, original, sample, output []float32, call int, noise bool) {
	a, b := r.alpha[call], r.sigma[call]
	for i, x := range sample {
		picture, rest := r.prediction.split(x, output[i], a, b)
		original[i], form[i] = picture, picture
		if noise {
			form[i] = rest
		}
	}
}

// flat reports whether two levels are the same to the method. A step between them changes nothing, and they say
// nothing about the slope.
func (r *rungs) flat(a, b int) bool { return r.lambda[a] == r.lambda[b] }
