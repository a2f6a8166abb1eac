package scheduler

import "math"

// scoreSdeVe is ScoreSdeVeScheduler: the predictor-corrector sampler of Song et al. 2020, arXiv:2011.13456, for
// the variance-exploding equation: algorithm 2, with Langevin steps as correctors (algorithm 4). A step is a
// corrector's call and a predictor's. The walk ends with the predictor's mean, without fresh noise.
//
// diffusers' class is for models with sigma 0.01 to 1348 and a thousand or more steps. Its formulas are kept;
// the levels lie evenly in log sigma between the model's own, and the score is that of the model as a
// denoiser.
type scoreSdeVe struct {
	ladder
	random Random
	noise  []float32
}

// veSNR is the corrector's signal-to-noise ratio, r in algorithm 4.
const veSNR = 0.15

func newScoreSdeVe(s settings, steps int, random Random) Scheduler {
	t := s.table()
	v := &scoreSdeVe{random: random}
	for _, sigma := range exponential(t.sigmas[s.train-1], t.sigmas[0], steps) {
		time := float32(t.time(sigma))
		v.timesteps = append(v.timesteps, time, time)
		v.sigmas = append(v.sigmas, float32(sigma), float32(sigma))
	}
	v.sigmas = append(v.sigmas, 0)
	v.prediction, v.init = s.prediction, v.sigmas[0]
	return v
}

func (v *scoreSdeVe) Order() int { return 2 }

func (v *scoreSdeVe) Step(sample, output, original []float32, call int) {
	sigma := v.sigmas[call]
	for i, x := range sample {
		original[i] = v.prediction.denoise(x, output[i], sigma)
	}
	v.noise = draw(v.random, v.noise, len(sample))
	if call%2 == 0 {
		v.correct(sample, original, sigma)
	} else {
		v.predict(sample, original, sigma, v.sigmas[call+1])
	}
}

// correct is a step of Langevin dynamics whose size follows from the norms of noise and score.
func (v *scoreSdeVe) correct(sample, original []float32, sigma float32) {
	var ofNoise, ofScore float64
	for i, x := range sample {
		score := float64((original[i] - x) / (sigma * sigma))
		ofScore += score * score
		ofNoise += float64(v.noise[i]) * float64(v.noise[i])
	}
	if ofScore == 0 {
		return
	}
	size := float32(2 * veSNR * veSNR * ofNoise / ofScore)
	spread := float32(math.Sqrt(2 * float64(size)))
	for i, x := range sample {
		sample[i] = x + size*((original[i]-x)/(sigma*sigma)) + spread*v.noise[i]
	}
}

// predict is the reverse diffusion to the next level.
func (v *scoreSdeVe) predict(sample, original []float32, sigma, next float32) {
	diffusion := sigma*sigma - next*next
	spread := sqrt32(diffusion)
	if next == 0 {
		spread = 0
	}
	for i, x := range sample {
		sample[i] = x + diffusion*((original[i]-x)/(sigma*sigma)) + spread*v.noise[i]
	}
}
