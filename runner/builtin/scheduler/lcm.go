package scheduler

// lcm is LCMScheduler: multistep consistency sampling (Luo et al. 2023, arXiv:2310.04378, algorithm 3; Song et
// al. 2023, arXiv:2303.01469, algorithm 1). It is for models distilled to predict the picture in one call.
type lcm struct {
	tabular
	scaling float32
	random  Random
	noise   []float32
}

// newLCM takes timesteps from the grid of distillation, evenly (section 4.3 of the first paper). More steps
// than that grid has are taken from a finer one, where diffusers fails.
func newLCM(s settings, steps int, random Random) Scheduler {
	grid := min(max(s.originalSteps, steps), s.train)
	every := s.train / grid
	at := make([]int, steps)
	for i := range at {
		at[i] = (grid-i*grid/steps)*every - 1
	}
	return &lcm{tabular: s.tabular(at), scaling: s.timeScaling, random: random}
}

// Step is the consistency function, whose weights let it be the identity at timestep 0 (appendix C of Song et
// al.), and noise of the next level.
func (l *lcm) Step(sample, output, original []float32, call int) {
	alpha := l.alpha(l.at[call])
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	const deviation = 0.5
	time := l.timesteps[call] * l.scaling
	square := time*time + deviation*deviation
	skip, out := deviation*deviation/square, time/sqrt32(square)
	for i, x := range sample {
		picture, _ := l.prediction.split(x, output[i], a, b)
		original[i] = out*l.clamped(picture) + skip*x
		sample[i] = original[i]
	}
	if call == len(l.at)-1 {
		return
	}
	l.noise = draw(l.random, l.noise, len(sample))
	blend(sample, original, l.noise, l.alpha(l.at[call+1]))
}
