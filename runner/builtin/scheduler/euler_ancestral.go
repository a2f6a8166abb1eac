package scheduler

// eulerAncestral is EulerAncestralDiscreteScheduler: Euler steps that go down too far and add fresh noise
// (Song et al. 2020, arXiv:2011.13456, appendix F, on the levels of Karras et al. 2022).
type eulerAncestral struct {
	ladder
	random Random
	noise  []float32
}

func newEulerAncestral(s settings, steps int, random Random) Scheduler {
	s.sigmaSchedule = "normal"
	return &eulerAncestral{ladder: s.ladder(steps), random: random}
}

func (e *eulerAncestral) Step(sample, output, original []float32, call int) {
	up, down := ancestral(e.sigmas[call], e.sigmas[call+1])
	e.descend(sample, output, original, e.sigmas[call], down)
	e.noise = draw(e.random, e.noise, len(sample))
	for i, noise := range e.noise {
		sample[i] += noise * up
	}
}
