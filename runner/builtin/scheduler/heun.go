package scheduler

// heun is HeunDiscreteScheduler: algorithm 1 of Karras et al. 2022, arXiv:2206.00364. An Euler step to the
// next level is called at once, and the mean of both derivatives is taken instead. The last step is Euler's.
type heun struct {
	ladder
	clip   float32 // bound of the picture, or 0 for none
	start  []float32
	change []float32
}

func newHeun(s settings, steps int, _ Random) Scheduler {
	l := s.ladder(steps)
	return &heun{clip: s.clip, ladder: l.double(func(step int) (time, sigma float32) {
		return l.timesteps[step+1], l.sigmas[step+1]
	})}
}

func (h *heun) Order() int { return 2 }

func (h *heun) Step(sample, output, original []float32, call int) {
	sigma := h.sigmas[call]
	for i, x := range sample {
		picture := h.prediction.denoise(x, output[i], sigma)
		if h.clip > 0 {
			picture = min(max(picture, -h.clip), h.clip)
		}
		original[i] = picture
	}
	if call%2 == 1 {
		dt := sigma - h.sigmas[call-1]
		for i, x := range sample {
			sample[i] = h.start[i] + (h.change[i]+(x-original[i])/sigma)/2*dt
		}
		return
	}
	h.start, h.change = sized(h.start, len(sample)), sized(h.change, len(sample))
	copy(h.start, sample)
	dt := h.sigmas[call+1] - sigma
	for i, x := range sample {
		h.change[i] = (x - original[i]) / sigma
		sample[i] = x + h.change[i]*dt
	}
}
