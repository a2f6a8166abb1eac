package scheduler

// lms is LMSDiscreteScheduler: the linear multistep method of Adams and Bashforth up to fourth order, for steps
// that are not even (Hairer, Norsett and Wanner 1993, Solving Ordinary Differential Equations I, section
// III.5), on the equation of Karras et al. 2022, arXiv:2206.00364, formula 1.
type lms struct {
	ladder
	changes history
}

// lmsOrder is the highest order.
const lmsOrder = 4

func newLMS(s settings, steps int, _ Random) Scheduler {
	return &lms{ladder: s.ladder(steps), changes: history{limit: lmsOrder}}
}

// Step weighs the derivatives. Where a walk starts in the middle, diffusers takes the weights of the order
// that a whole walk would have there, although it lacks the earlier derivatives; so it is here.
func (l *lms) Step(sample, output, original []float32, call int) {
	change := l.changes.push(len(sample))
	sigma := l.sigmas[call]
	for i, x := range sample {
		original[i] = l.prediction.denoise(x, output[i], sigma)
		change[i] = (x - original[i]) / sigma
	}
	order := l.order(call)
	for back := range min(order, len(l.changes.kept)) {
		weight := float32(l.weight(call, order, back))
		for i, d := range l.changes.last(back) {
			sample[i] += weight * d
		}
	}
}

// order is less than the highest at the walk's start, and where two levels are the same.
func (l *lms) order(call int) int {
	order := 1
	for order < min(call+1, lmsOrder) && l.sigmas[call-order] != l.sigmas[call-order+1] {
		order++
	}
	return order
}

// weight integrates, over the step, the Lagrange polynomial that is 1 at the level that many calls back and 0
// at the others. It is expanded in powers of the distance from the step's start.
func (l *lms) weight(call, order, back int) float64 {
	at := func(back int) float64 { return float64(l.sigmas[call-back]) }
	poly := [lmsOrder]float64{1}
	for k := range order {
		if k == back {
			continue
		}
		root, scale := at(k)-at(0), 1/(at(back)-at(k))
		for j := lmsOrder - 1; j >= 0; j-- {
			poly[j] *= -root * scale
			if j > 0 {
				poly[j] += poly[j-1] * scale
			}
		}
	}
	width := float64(l.sigmas[call+1]) - at(0)
	integral, power := 0.0, 1.0
	for j, c := range poly {
		power *= width
		integral += c * power / float64(j+1)
	}
	return integral
}
