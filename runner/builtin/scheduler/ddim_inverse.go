package scheduler

// ddimInverse is DDIMInverseScheduler: the steps of DDIM taken backwards, from a picture to the noise that
// gives it (Song, Meng and Ermon 2020, arXiv:2010.02502, section 4.3). The model's output at the end of a step stands for that at its start.
type ddimInverse struct {
	tabular
	ratio int // of training timesteps to steps
}

// newDDIMInverse has the timesteps of DDIM, the earliest first.
func newDDIMInverse(s settings, steps int, _ Random) Scheduler {
	at := make([]int, steps)
	for i, time := range s.whole(steps) {
		at[steps-1-i] = time
	}
	return &ddimInverse{s.tabular(at), s.train / steps}
}

// AddNoise: the walk's calls begin with less noise than the timestep given to the model, and it ends in noise, so call
// equal to the number of calls is the last timestep here.
func (d *ddimInverse) AddNoise(dst, original, noise []float32, call int) {
	time := d.at[len(d.at)-1]
	if call < len(d.at) {
		time = d.at[call] - d.ratio
	}
	blend(dst, original, noise, d.alpha(time))
}

func (d *ddimInverse) Step(sample, output, original []float32, call int) {
	alpha, next := d.alpha(d.at[call]-d.ratio), d.alpha(d.at[call])
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	ofPicture, ofNoise := sqrt32(next), sqrt32(1-next)
	for i, x := range sample {
		picture, noise := d.prediction.split(x, output[i], a, b)
		original[i] = d.clamped(picture)
		sample[i] = ofPicture*original[i] + ofNoise*noise
	}
}
