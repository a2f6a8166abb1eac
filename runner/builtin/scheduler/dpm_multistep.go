package scheduler

// dpmMultistep is DPMSolverMultistepScheduler: DPM-Solver++(2M) of Lu et al. 2022, arXiv:2211.01095, algorithm
// 2, the same with one more difference as third order, and the others of the family with the same history.
type dpmMultistep struct {
	dpm
	order     int
	lowerLast bool
	euler     bool // the last step is of first order
}

func newDPMMultistep(s settings, steps int, random Random) Scheduler {
	return &dpmMultistep{
		dpm: s.dpm(steps, random), order: s.order, lowerLast: s.lowerLast && steps < 15,
		euler: s.eulerAtFinal || s.finalZero,
	}
}

func (d *dpmMultistep) Step(sample, output, original []float32, call int) {
	d.keep(sample, output, original, call)
	switch d.orderAt(call) {
	case 1:
		d.first(sample, call+1, call)
	case 2:
		d.second(sample, call)
	default:
		d.third(sample, call)
	}
}

// orderAt is low at the start, for want of history, and at the end of a short walk, for stability.
func (d *dpmMultistep) orderAt(call int) int {
	order := min(d.order, len(d.outputs.kept))
	left := len(d.timesteps) - call
	if d.lowerLast {
		order = min(order, left)
	}
	if d.euler && left == 1 || d.flat(call, call+1) {
		return 1
	}
	for back := 1; back < order; back++ {
		if d.flat(call-back, call-back+1) {
			return back
		}
	}
	return order
}

func (d *dpmMultistep) second(sample []float32, call int) {
	h := d.lambda[call+1] - d.lambda[call]
	slope := 1 / ((d.lambda[call] - d.lambda[call-1]) / h)
	t := d.terms(call+1, call, h, d.heun)
	m0, m1 := d.outputs.last(0), d.outputs.last(1)
	for i, x := range sample {
		sample[i] = t.sample*x + t.slope[0]*m0[i] + t.slope[1]*(slope*(m0[i]-m1[i]))
	}
	d.stir(sample, t.noise)
}

func (d *dpmMultistep) third(sample []float32, call int) {
	h := d.lambda[call+1] - d.lambda[call]
	r0 := (d.lambda[call] - d.lambda[call-1]) / h
	r1 := (d.lambda[call-1] - d.lambda[call-2]) / h
	t := d.terms(call+1, call, h, true)
	m0, m1, m2 := d.outputs.last(0), d.outputs.last(1), d.outputs.last(2)
	for i, x := range sample {
		near, far := 1/r0*(m0[i]-m1[i]), 1/r1*(m1[i]-m2[i])
		slope := near + r0/(r0+r1)*(near-far)
		bend := 1 / (r0 + r1) * (near - far)
		sample[i] = t.sample*x + t.slope[0]*m0[i] + t.slope[1]*slope + t.slope[2]*bend
	}
	d.stir(sample, t.noise)
}
