package scheduler

// dpmSinglestep is DPMSolverSinglestepScheduler: DPM-Solver-2 and -3 (Lu et al. 2022, arXiv:2206.00927,
// algorithms 1 and 2) and DPM-Solver++(2S) (arXiv:2211.01095, algorithm 1). Calls come in groups of the order:
// each starts again from the sample at the group's start.
type dpmSinglestep struct {
	dpm
	orders []int // of each call
	start  []float32
}

func newDPMSinglestep(s settings, steps int, random Random) Scheduler {
	s.spacing = "linspace"
	lower := s.lowerLast || s.finalZero || steps%s.order != 0
	return &dpmSinglestep{dpm: s.dpm(steps, random), orders: groups(steps, s.order, lower, s.finalZero)}
}

// groups counts 1 to the order again and again. The lower order at the end takes up what does not divide.
func groups(steps, order int, lower, zero bool) []int {
	orders := make([]int, steps)
	for i := range orders {
		orders[i] = i%order + 1
	}
	last := steps - 1
	if lower && order == 3 && steps%3 == 0 {
		orders[last] = 1
	}
	if lower && order == 2 && steps%2 == 0 || zero {
		orders[last] = 1
	}
	return orders
}

func (d *dpmSinglestep) Step(sample, output, original []float32, call int) {
	d.keep(sample, output, original, call)
	order := min(d.orders[call], len(d.outputs.kept))
	if order > 1 && d.degenerate(call, order) {
		order = 1
	}
	if order == 1 {
		d.start = sized(d.start, len(sample))
		copy(d.start, sample)
		d.first(sample, call+1, call)
		return
	}
	copy(sample, d.start)
	if order == 2 {
		d.second(sample, call)
	} else {
		d.third(sample, call)
	}
}

// degenerate reports whether levels of the group are the same.
func (d *dpmSinglestep) degenerate(call, order int) bool {
	for at := call - order + 1; at <= call; at++ {
		if d.flat(at, at+1) {
			return true
		}
	}
	return false
}

func (d *dpmSinglestep) second(sample []float32, call int) {
	from := call - 1
	h := d.lambda[call+1] - d.lambda[from]
	r0 := (d.lambda[call] - d.lambda[from]) / h
	t := d.terms(call+1, from, h, d.heun)
	m0, m1 := d.outputs.last(0), d.outputs.last(1)
	for i, x := range sample {
		sample[i] = t.sample*x + t.slope[0]*m1[i] + t.slope[1]*(1/r0*(m0[i]-m1[i]))
	}
	d.stir(sample, t.noise)
}

func (d *dpmSinglestep) third(sample []float32, call int) {
	from := call - 2
	h := d.lambda[call+1] - d.lambda[from]
	r0, r1 := (d.lambda[call]-d.lambda[from])/h, (d.lambda[call-1]-d.lambda[from])/h
	t := d.terms(call+1, from, h, true)
	m0, m1, m2 := d.outputs.last(0), d.outputs.last(1), d.outputs.last(2)
	for i, x := range sample {
		near, far := 1/r1*(m1[i]-m2[i]), 1/r0*(m0[i]-m2[i])
		slope, bend := far, float32(0)
		if d.heun {
			slope = (r0*near - r1*far) / (r0 - r1)
			bend = 2 * (far - near) / (r0 - r1)
		}
		sample[i] = t.sample*x + t.slope[0]*m2[i] + t.slope[1]*slope + t.slope[2]*bend
	}
	d.stir(sample, t.noise)
}
