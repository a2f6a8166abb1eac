package scheduler

// euler is EulerDiscreteScheduler: the first half of algorithm 2 of Karras et al. 2022, arXiv:2206.00364,
// without churn.
type euler struct{ ladder }

func newEuler(s settings, steps int, _ Random) Scheduler {
	e := &euler{s.ladder(steps)}
	if !s.finalZero {
		e.sigmas[steps] = float32(s.table().sigmas[0])
	}
	return e
}

func (e *euler) Step(sample, output, original []float32, call int) {
	e.descend(sample, output, original, e.sigmas[call], e.sigmas[call+1])
}
