package scheduler

import "slices"

// pndm is PNDMScheduler: pseudo numerical methods on manifolds (Liu et al. 2022, arXiv:2202.09778). The
// transfer is formula 9; three Runge-Kutta steps of four calls each (formula 13) give the history for the
// linear multistep of formula 12. With skip_prk_steps the history is built by lower orders instead, after one
// improved Euler step of two calls.
type pndm struct {
	tabular
	ratio   int // of training timesteps to steps
	prk     int // number of Runge-Kutta calls
	calls   int // made so far
	outputs history
	sum     []float32 // of a Runge-Kutta step
	start   []float32 // the sample at a step's start
	moved   []float32
}

const pndmOrder = 4

// newPNDM leaves the Runge-Kutta steps out for fewer than four steps, where diffusers fails.
func newPNDM(s settings, steps int, _ Random) Scheduler {
	times := s.whole(steps)
	p := &pndm{ratio: s.train / steps, outputs: history{limit: pndmOrder}}
	if !s.skipPRK && steps >= pndmOrder {
		times = rungeKutta(times, p.ratio/2)
		p.prk = 3 * pndmOrder
	} else if steps > 1 {
		times = slices.Insert(times, 1, times[1])
	}
	p.tabular = s.tabular(times)
	return p
}

// rungeKutta replaces the first three timesteps by the four calls of each of their steps: at the start, twice
// in the middle and at the end.
func rungeKutta(times []int, half int) []int {
	var calls []int
	for i := range 3 {
		middle := times[i+1] + half
		calls = append(calls, times[i], middle, middle, times[i+1])
	}
	return append(calls, times[3:]...)
}

func (p *pndm) Step(sample, output, original []float32, call int) {
	time := p.at[call]
	a, b := sqrt32(p.alpha(time)), sqrt32(1-p.alpha(time))
	for i, x := range sample {
		original[i], _ = p.prediction.split(x, output[i], a, b)
	}
	p.sum, p.start = sized(p.sum, len(sample)), sized(p.start, len(sample))
	p.moved = sized(p.moved, len(sample))
	if p.calls < p.prk {
		p.rungeKutta(sample, output, time)
	} else {
		p.multistep(sample, output, time)
	}
	p.calls++
}

// rungeKutta makes one of the four calls of a step. Where a walk starts in the middle, diffusers still counts
// from the first timestep; so it is here.
func (p *pndm) rungeKutta(sample, output []float32, time int) {
	to := time
	if p.calls%2 == 0 {
		to -= p.ratio / 2
	}
	from := p.at[p.calls/4*4]
	direction := output
	switch p.calls % 4 {
	case 0:
		copy(p.outputs.push(len(sample)), output)
		copy(p.start, sample)
		for i, x := range output {
			p.sum[i] = x * (1.0 / 6)
		}
	case 1, 2:
		for i, x := range output {
			p.sum[i] += x * (1.0 / 3)
		}
	default:
		for i, x := range output {
			p.sum[i] += x * (1.0 / 6)
		}
		direction = p.sum
	}
	p.transfer(sample, p.start, direction, from, to)
}

// multistep is formula 12, or the same of lower order while the history is short.
func (p *pndm) multistep(sample, output []float32, time int) {
	from, to := time, time-p.ratio
	if p.calls == 1 {
		// The second call corrects the first step.
		from, to = time+p.ratio, time
		for i, x := range p.outputs.last(0) {
			p.moved[i] = (output[i] + x) / 2
		}
		p.transfer(sample, p.start, p.moved, from, to)
		return
	}
	copy(p.outputs.push(len(sample)), output)
	if p.calls == 0 {
		copy(p.start, sample)
	}
	adamsBashforth(p.moved, &p.outputs)
	p.transfer(sample, sample, p.moved, from, to)
}

// transfer is formula 9: it moves x, at a timestep, to another, and writes it to dst.
func (p *pndm) transfer(dst, x, output []float32, from, to int) {
	alpha, next := p.alpha(from), p.alpha(to)
	scale := sqrt32(next / alpha)
	step := (next - alpha) / (alpha*sqrt32(1-next) + sqrt32(alpha*(1-alpha)*next))
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	for i, v := range x {
		noise := output[i]
		if p.prediction != "epsilon" {
			_, noise = p.prediction.split(v, noise, a, b)
		}
		dst[i] = scale*v - step*noise
	}
}

// evenWeights are those of Adams and Bashforth by order, newest first.
var evenWeights = [pndmOrder][]float32{
	{1},
	{3.0 / 2, -1.0 / 2},
	{23.0 / 12, -16.0 / 12, 5.0 / 12},
	{55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24},
}

// adamsBashforth writes the weighted sum of the last outputs for even steps, of the order that the history
// allows, at most 4.
func adamsBashforth(dst []float32, outputs *history) {
	clear(dst)
	for back, weight := range evenWeights[len(outputs.kept)-1] {
		for i, x := range outputs.last(back) {
			dst[i] += weight * x
		}
	}
}
