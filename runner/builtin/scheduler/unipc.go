package scheduler

import "slices"

// unipc is UniPCMultistepScheduler (Zhao et al. 2023, arXiv:2302.04867): each call first corrects the sample
// that it is made for, with its own output, and then predicts the next one. Both are sums of differences of
// the outputs, whose weights solve the linear system of theorem 3.1.
type unipc struct {
	rungs
	order       int
	lowerLast   bool
	noise       bool // the noise is extrapolated instead of the picture
	bh1         bool
	noCorrector []int
	outputs     history
	now         []float32 // the output at hand, in the form that is extrapolated
	before      []float32 // the sample at the last call
	used        int       // order of the last prediction
}

func newUniPC(s settings, steps int, _ Random) Scheduler {
	return &unipc{
		rungs: s.rungs(steps, s.lowestOfSchedule), order: s.order, lowerLast: s.lowerLast, noise: s.predictNoise,
		bh1: s.solver == "bh1", noCorrector: s.noCorrector, outputs: history{limit: s.order},
	}
}

func (u *unipc) Step(sample, output, original []float32, call int) {
	u.now = sized(u.now, len(sample))
	u.split(u.now, original, sample, output, call, u.noise)
	if u.used > 0 && !slices.Contains(u.noCorrector, call-1) && !u.flat(call-1, call) {
		copy(sample, u.before)
		u.move(sample, call-1, call, min(u.used, u.straight(call-1)), u.now)
	}
	copy(u.outputs.push(len(sample)), u.now)
	u.before = sized(u.before, len(sample))
	copy(u.before, sample)
	u.used = min(u.order, len(u.outputs.kept))
	if u.lowerLast {
		u.used = min(u.used, len(u.timesteps)-call)
	}
	switch {
	case u.flat(call, call+1):
	case u.sigma[call+1] == 0:
		copy(sample, original)
	default:
		u.move(sample, call, call+1, min(u.used, u.straight(call)), nil)
	}
}

// straight is the highest order that the levels up to a call allow: those that are the same give no slope.
func (u *unipc) straight(call int) int {
	order := 1
	for order < u.order && order <= call && !u.flat(call-order, call-order+1) {
		order++
	}
	return order
}

// move takes the sample from a level to the next. With the output there it corrects, without it predicts.
func (u *unipc) move(sample []float32, from, to, order int, there []float32) {
	h := u.lambda[to] - u.lambda[from]
	w := u.weights(h, from, order, there != nil)
	scale, step := u.sigma[to]/u.sigma[from], u.alpha[to]
	if u.noise {
		scale, step = u.alpha[to]/u.alpha[from], u.sigma[to]
	}
	newest := u.outputs.last(0)
	for i, x := range sample {
		sum := float32(0)
		for back := 1; back < order; back++ {
			sum += w.past[back-1] * ((u.outputs.last(back)[i] - newest[i]) / w.place[back-1])
		}
		if there != nil {
			sum += w.there * (there[i] - newest[i])
		}
		sample[i] = scale*x - step*w.phi*newest[i] - step*w.b*sum
	}
}

// weights of a step: of the newest output, of the differences to older ones, and of that to the output there.
type weights struct {
	phi, b float32
	place  [2]float32 // where the older ones lie, in steps
	past   [2]float32
	there  float32
}

// weights solves sum over k of past[k] * place[k]^i = c[i] (theorem 3.1 with B(h) = h or e^h - 1).
func (u *unipc) weights(h float32, from, order int, corrects bool) weights {
	w := weights{there: 0.5}
	places := [3]float32{}
	for back := 1; back < order; back++ {
		w.place[back-1] = (u.lambda[from-back] - u.lambda[from]) / h
		places[back-1] = w.place[back-1]
	}
	places[order-1] = 1
	hh := -h
	if u.noise {
		hh = h
	}
	w.phi = expm132(hh)
	w.b = w.phi
	if u.bh1 {
		w.b = hh
	}
	c := w.moments(hh)
	switch {
	case corrects && order > 1:
		solved := solve(places, c, order)
		w.past = [2]float32{solved[0], solved[1]}
		w.there = solved[order-1]
		clear(w.past[order-1:])
	case !corrects && order == 2:
		// The system has one unknown; the paper takes the limit of small h.
		w.past[0] = 0.5
	case !corrects && order == 3:
		solved := solve(places, c, 2)
		w.past = [2]float32{solved[0], solved[1]}
	}
	return w
}

// moments are the right-hand sides, the functions phi of the exponential integrator times a factorial.
func (w *weights) moments(hh float32) [3]float32 {
	var c [3]float32
	phi, factorial := w.phi/hh-1, float32(1)
	for i := range c {
		c[i] = phi * factorial / w.b
		factorial *= float32(i + 2)
		phi = phi/hh - 1/factorial
	}
	return c
}

// solve finds x with sum over k of x[k] * places[k]^i = c[i] for i below n, a Vandermonde system, by
// elimination.
func solve(places, c [3]float32, n int) [3]float32 {
	var rows [3][4]float64
	for i := range n {
		for k := range n {
			rows[i][k] = 1
			for range i {
				rows[i][k] *= float64(places[k])
			}
			rows[i][k] = float64(float32(rows[i][k]))
		}
		rows[i][3] = float64(c[i])
	}
	var x [3]float32
	for k := range n {
		for i := range n {
			if i == k {
				continue
			}
			factor := rows[i][k] / rows[k][k]
			for j := range rows[i] {
				rows[i][j] -= factor * rows[k][j]
			}
		}
	}
	for k := range n {
		x[k] = float32(rows[k][3] / rows[k][k])
	}
	return x
}
