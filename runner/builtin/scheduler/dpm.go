package scheduler

import "strings"

// dpm is one of the four formulas that both DPM-Solver methods choose from: for the noise (dpmsolver, Lu et
// al. 2022, arXiv:2206.00927) or the picture (dpmsolver++, Lu et al. 2022, arXiv:2211.01095), each also for the
// stochastic equation (sde-, the second paper).
type dpm struct {
	rungs
	algorithm string
	heun      bool
	outputs   history
	random    Random
	noise     []float32
}

func (s settings) dpm(steps int, random Random) dpm {
	return dpm{
		rungs: s.rungs(steps, lowestOfTable), algorithm: s.algorithm, heun: s.solver == "heun",
		outputs: history{limit: s.order}, random: random,
	}
}

// keep remembers the model's output in the form that the formula extrapolates, and draws the step's noise.
func (d *dpm) keep(sample, output, original []float32, call int) {
	d.split(d.outputs.push(len(sample)), original, sample, output, call, !strings.HasSuffix(d.algorithm, "++"))
	if strings.HasPrefix(d.algorithm, "sde-") {
		d.noise = draw(d.random, d.noise, len(sample))
	}
}

// terms are what a step's parts are multiplied by.
type terms struct {
	sample float32
	slope  [3]float32 // of the zeroth, first and second difference
	noise  float32
}

// terms are those for a step of width h in lambda, to a call's level from another's: the integrals of the
// exponential with 1, lambda and lambda^2 (section 3.2 of the first paper, section 4 of the second). That with
// lambda is of two kinds, midpoint and Heun, which agree to second order. With a schedule that ends in pure
// noise the first step may lead to more noise, where h is negative; it then adds none.
func (d *dpm) terms(to, from int, h float32, heun bool) terms {
	var t terms
	alpha, sigma := d.alpha[to], d.sigma[to]
	switch d.algorithm {
	case "dpmsolver":
		e := exp32(h) - 1
		t.sample = alpha / d.alpha[from]
		t.slope[0] = -(sigma * e)
		t.slope[1] = -(sigma * (e/h - 1))
		t.slope[2] = -(sigma * ((e-h)/(h*h) - 0.5))
	case "sde-dpmsolver":
		e := exp32(h) - 1
		t.sample = alpha / d.alpha[from]
		t.slope[0] = -2 * (sigma * e)
		t.slope[1] = -2 * (sigma * (e/h - 1))
		t.noise = sigma * sqrt32(max(exp32(2*h)-1, 0))
	case "sde-dpmsolver++":
		e := 1 - exp32(-2*h)
		t.sample = sigma / d.sigma[from] * exp32(-h)
		t.slope[0] = alpha * e
		t.slope[1] = alpha * (e/(-2*h) + 1)
		t.slope[2] = alpha * ((e-2*h)/(4*h*h) - 0.5)
		t.noise = sigma * sqrt32(max(e, 0))
	default:
		e := exp32(-h) - 1
		t.sample = sigma / d.sigma[from]
		t.slope[0] = -(alpha * e)
		t.slope[1] = alpha * (e/h + 1)
		t.slope[2] = -(alpha * ((e+h)/(h*h) - 0.5))
	}
	if !heun {
		t.slope[1] = 0.5 * t.slope[0]
	}
	return t
}

// first is the step of first order, DDIM's in these variables.
func (d *dpm) first(sample []float32, to, from int) {
	if d.flat(to, from) {
		return
	}
	if d.sigma[to] == 0 {
		copy(sample, d.outputs.last(0))
		return
	}
	t := d.terms(to, from, d.lambda[to]-d.lambda[from], d.heun)
	m := d.outputs.last(0)
	for i, x := range sample {
		sample[i] = t.sample*x + t.slope[0]*m[i]
	}
	d.stir(sample, t.noise)
}

// stir adds the step's fresh noise, if the method has any.
func (d *dpm) stir(sample []float32, weight float32) {
	if weight == 0 {
		return
	}
	for i, noise := range d.noise {
		sample[i] += weight * noise
	}
}
