package scheduler

import "math"

// midpoint is what both DPM2 methods share: a step goes halfway, in log sigma, and the derivative found there
// is taken for the whole step (DPM-Solver-2 of Lu et al. 2022, arXiv:2206.00927, algorithm 1, in the variables
// of Karras et al. 2022, arXiv:2206.00364). The last step is Euler's.
type midpoint struct {
	ladder           // its sigmas are those that the model sees
	levels []float32 // of the steps, one more for the end
	down   []float32 // where each step leads to before fresh noise
	start  []float32
}

func newMidpoint(s settings, steps int, down func(from, to float32) float32) midpoint {
	l, t := s.ladder(steps), s.table()
	if s.sigmaSchedule == "karras" {
		for i, at := range l.timesteps {
			l.timesteps[i] = float32(math.RoundToEven(float64(at)))
		}
	}
	m := midpoint{levels: l.sigmas}
	for i := range steps {
		m.down = append(m.down, down(l.sigmas[i], l.sigmas[i+1]))
	}
	m.ladder = l.double(func(step int) (time, sigma float32) {
		sigma = halfway(l.sigmas[step], m.down[step])
		return float32(t.time(float64(sigma))), sigma
	})
	return m
}

func (m *midpoint) Order() int { return 2 }

// AddNoise counts a half step as done, as diffusers does.
func (m *midpoint) AddNoise(dst, original, noise []float32, call int) {
	sigma := m.levels[(call+1)/2]
	for i, x := range original {
		dst[i] = x + noise[i]*sigma
	}
}

func (m *midpoint) Step(sample, output, original []float32, call int) {
	if call%2 == 1 {
		from, at := m.sigmas[call-1], m.sigmas[call]
		dt := m.down[call/2] - from
		for i, x := range sample {
			original[i] = m.prediction.denoise(x, output[i], at)
			sample[i] = m.start[i] + (x-original[i])/at*dt
		}
		return
	}
	m.start = sized(m.start, len(sample))
	copy(m.start, sample)
	m.descend(sample, output, original, m.sigmas[call], m.sigmas[call+1])
}

// kdpm2 is KDPM2DiscreteScheduler.
type kdpm2 struct{ midpoint }

func newKDPM2(s settings, steps int, _ Random) Scheduler {
	return &kdpm2{newMidpoint(s, steps, func(_, to float32) float32 { return to })}
}
