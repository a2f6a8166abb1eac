package scheduler

// ddpm is DDPMScheduler: ancestral sampling, algorithm 2 of Ho, Jain and Abbeel 2020, arXiv:2006.11239, with
// the timesteps that are left out between two calls taken as one.
type ddpm struct {
	tabular
	variance string
	random   Random
	noise    []float32
}

func newDDPM(s settings, steps int, random Random) Scheduler {
	s.alphaToOne = true
	return &ddpm{tabular: s.tabular(s.whole(steps)), variance: s.variance, random: random}
}

// Step is formula 7 of the paper for the mean. The variance is its beta-tilde, or beta with "fixed_large".
func (d *ddpm) Step(sample, output, original []float32, call int) {
	alpha, prev := d.alpha(d.at[call]), float32(1)
	if call+1 < len(d.at) {
		prev = d.alpha(d.at[call+1])
	}
	ratio := kept(alpha, prev)
	ofPicture := sqrt32(prev) * (1 - ratio) / (1 - alpha)
	ofSample := sqrt32(ratio) * (1 - prev) / (1 - alpha)
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	for i, x := range sample {
		picture, _ := d.prediction.split(x, output[i], a, b)
		original[i] = d.clamped(picture)
		sample[i] = ofPicture*original[i] + ofSample*x
	}
	if d.at[call] == 0 {
		return
	}
	deviation := d.deviation(alpha, prev)
	d.noise = draw(d.random, d.noise, len(sample))
	for i, noise := range d.noise {
		sample[i] += deviation * noise
	}
}

// kept is the share of the signal that a step keeps; all of nothing where there is none.
func kept(alpha, prev float32) float32 {
	if prev == 0 {
		return 1
	}
	return alpha / prev
}

func (d *ddpm) deviation(alpha, prev float32) float32 {
	beta := 1 - kept(alpha, prev)
	if d.variance == "fixed_large" {
		return sqrt32(beta)
	}
	return sqrt32(max((1-prev)/(1-alpha)*beta, 1e-20))
}
