package scheduler

// ipndm is IPNDMScheduler: improved PNDM, the linear multistep of Liu et al. 2022 with lower orders while its
// history is short (Zhang and Chen 2022, arXiv:2204.13902, the appendix on iPNDM).
//
// diffusers' class is for models with timesteps in (0, 1] on a sine schedule and makes no pictures with Stable
// Diffusion's. Its formulas are kept, with the model as a denoiser of picture + sigma*noise. Levels evenly
// spaced in log sigma are the default: the weights are those for even steps, and with levels even in time the
// walk of twenty steps is not stable.
type ipndm struct {
	ladder
	changes history
	slope   []float32
}

func newIPNDM(s settings, steps int, _ Random) Scheduler {
	if s.sigmaSchedule == "" {
		s.sigmaSchedule = "exponential"
	}
	return &ipndm{ladder: s.ladder(steps), changes: history{limit: pndmOrder}}
}

func (p *ipndm) Step(sample, output, original []float32, call int) {
	change := p.changes.push(len(sample))
	sigma := p.sigmas[call]
	for i, x := range sample {
		original[i] = p.prediction.denoise(x, output[i], sigma)
		change[i] = (x - original[i]) / sigma
	}
	p.slope = sized(p.slope, len(sample))
	adamsBashforth(p.slope, &p.changes)
	dt := p.sigmas[call+1] - sigma
	for i, slope := range p.slope {
		sample[i] += slope * dt
	}
}
