package scheduler

import "math"

// deis is DEISMultistepScheduler: the exponential integrator of Zhang and Chen 2022, arXiv:2204.13902, in its
// log-rho form: rho is sigma/alpha, and the noise is extrapolated by a polynomial in log rho.
type deis struct {
	rungs
	order     int
	lowerLast bool
	outputs   history
}

// newDEIS never ends at sigma 0, whose logarithm it would need.
func newDEIS(s settings, steps int, _ Random) Scheduler {
	s.finalZero = false
	return &deis{
		rungs: s.rungs(steps, s.lowestOfSchedule), order: s.order, lowerLast: s.lowerLast && steps < 15,
		outputs: history{limit: s.order},
	}
}

func (d *deis) Step(sample, output, original []float32, call int) {
	d.split(d.outputs.push(len(sample)), original, sample, output, call, true)
	order := d.orderAt(call)
	if order == 1 {
		d.first(sample, call)
		return
	}
	alpha, before := d.alpha[call+1], d.alpha[call]
	var weights [3]float32
	for back := range order {
		weights[back] = float32(d.weight(call, order, back))
	}
	for i, x := range sample {
		sum := x / before
		for back := range order {
			sum += weights[back] * d.outputs.last(back)[i]
		}
		sample[i] = alpha * sum
	}
}

func (d *deis) orderAt(call int) int {
	order := min(d.order, len(d.outputs.kept))
	if d.lowerLast {
		order = min(order, len(d.timesteps)-call)
	}
	for back := 1; back < order; back++ {
		if d.flat(call-back, call-back+1) {
			return back
		}
	}
	return order
}

func (d *deis) first(sample []float32, call int) {
	h := d.lambda[call+1] - d.lambda[call]
	scale, step := d.alpha[call+1]/d.alpha[call], d.sigma[call+1]*(exp32(h)-1)
	for i, noise := range d.outputs.last(0) {
		sample[i] = scale*sample[i] - step*noise
	}
}

// weight integrates over the step, in rho = sigma/alpha, the Lagrange polynomial in log rho that is 1 at the
// level that many calls back and 0 at the others.
func (d *deis) weight(call, order, back int) float64 {
	log := func(back int) float64 { return float64(log32(d.ratio[call-back])) }
	at := log(0)
	poly := [3]float64{1}
	for k := range order {
		if k == back {
			continue
		}
		root, scale := log(k)-at, 1/(log(back)-log(k))
		for j := len(poly) - 1; j >= 0; j-- {
			poly[j] *= -root * scale
			if j > 0 {
				poly[j] += poly[j-1] * scale
			}
		}
	}
	return integrateLog(poly, float64(d.ratio[call]), float64(d.ratio[call+1]))
}

// integrateLog integrates a polynomial in u = log(rho/from) over rho: the integral of u^j is from * I_j with
// I_j = u^j e^u - j I_(j-1).
func integrateLog(poly [3]float64, from, to float64) float64 {
	u := math.Log(to / from)
	integral, moment, power := 0.0, 0.0, 1.0
	for j, c := range poly {
		if j == 0 {
			moment = math.Expm1(u)
		} else {
			power *= u
			moment = power*math.Exp(u) - float64(j)*moment
		}
		integral += c * moment * from
	}
	return integral
}
