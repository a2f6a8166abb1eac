package scheduler

// ddim is DDIMScheduler (Song, Meng and Ermon 2020, arXiv:2010.02502, formulas 12 and 16).
type ddim struct {
	tabular
	ratio  int // of training timesteps to steps
	eta    float32
	random Random
	noise  []float32
}

func newDDIM(s settings, steps int, random Random) Scheduler {
	return &ddim{tabular: s.tabular(s.whole(steps)), ratio: s.train / steps, eta: float32(s.eta), random: random}
}

func (d *ddim) Step(sample, output, original []float32, call int) {
	alpha, prev := d.alpha(d.at[call]), d.alpha(d.at[call]-d.ratio)
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	deviation := d.eta * sqrt32(max((1-prev)/(1-alpha)*(1-alpha/prev), 0))
	ofPicture, ofNoise := sqrt32(prev), sqrt32(max(1-prev-deviation*deviation, 0))
	for i, x := range sample {
		picture, noise := d.prediction.split(x, output[i], a, b)
		original[i] = d.clamped(picture)
		sample[i] = ofPicture*original[i] + ofNoise*noise
	}
	if d.eta == 0 {
		return
	}
	d.noise = draw(d.random, d.noise, len(sample))
	for i, noise := range d.noise {
		sample[i] += deviation * noise
	}
}
