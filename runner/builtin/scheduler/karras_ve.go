package scheduler

import "math"

// karrasVe is KarrasVeScheduler: the stochastic sampler of Karras et al. 2022, arXiv:2206.00364, algorithm 2.
// Each step first adds noise, up to a level that is higher by a factor (churn), and then takes a step of Heun's
// method from there: two calls, one in the last step.
//
// diffusers' class is for models of its own kind, with sigma 0.02 to 100. Its formulas are kept. The levels are
// those of formula 5 between the model's own highest and lowest sigma, where diffusers spaces sigma^2 evenly in
// its logarithm. Nothing is churned above what the model has seen.
type karrasVe struct {
	ladder           // its sigmas are those that the model sees
	levels []float32 // of the steps, one more for the end
	random Random
	noise  []float32
	start  []float32 // the sample with churn
	change []float32
}

// Constants of the algorithm, S_churn, S_tmin and S_noise.
const (
	veChurn = 40
	veLeast = 0.05
	veNoise = 1.003
)

func newKarrasVe(s settings, steps int, random Random) Scheduler {
	t := s.table()
	highest := t.sigmas[s.train-1]
	k := &karrasVe{random: random}
	for _, sigma := range karras(highest, t.sigmas[0], steps) {
		k.levels = append(k.levels, float32(sigma))
	}
	k.levels = append(k.levels, 0)
	gamma := min(veChurn/float64(steps), math.Sqrt2-1)
	k.prediction, k.init = s.prediction, k.levels[0]
	for i, level := range k.levels[:steps] {
		sigma := level
		if churned := float64(level) * (1 + gamma); level >= veLeast && churned <= highest {
			sigma = float32(churned)
		}
		k.sigmas = append(k.sigmas, sigma)
		if i < steps-1 {
			k.sigmas = append(k.sigmas, k.levels[i+1])
		}
	}
	for _, sigma := range k.sigmas {
		k.timesteps = append(k.timesteps, float32(t.time(float64(sigma))))
	}
	return k
}

func (k *karrasVe) Order() int { return 2 }

func (k *karrasVe) AddNoise(dst, original, noise []float32, call int) {
	sigma := k.levels[(call+1)/2]
	for i, x := range original {
		dst[i] = x + noise[i]*sigma
	}
}

// Scale churns at a step's first call. The noise is drawn also where the level stays as it is.
func (k *karrasVe) Scale(dst, sample []float32, call int) {
	if call%2 == 0 {
		level, sigma := k.levels[call/2], k.sigmas[call]
		k.noise = draw(k.random, k.noise, len(sample))
		more := sqrt32(max(sigma*sigma-level*level, 0)) * veNoise
		for i, noise := range k.noise {
			sample[i] += more * noise
		}
	}
	scaleDown(dst, sample, k.sigmas[call])
}

func (k *karrasVe) Step(sample, output, original []float32, call int) {
	sigma := k.sigmas[call]
	if call%2 == 1 {
		dt := sigma - k.sigmas[call-1]
		for i, x := range sample {
			original[i] = k.prediction.denoise(x, output[i], sigma)
			sample[i] = k.start[i] + dt*(0.5*k.change[i]+0.5*((x-original[i])/sigma))
		}
		return
	}
	k.start, k.change = sized(k.start, len(sample)), sized(k.change, len(sample))
	copy(k.start, sample)
	dt := k.levels[call/2+1] - sigma
	for i, x := range sample {
		original[i] = k.prediction.denoise(x, output[i], sigma)
		k.change[i] = (x - original[i]) / sigma
		sample[i] = x + dt*k.change[i]
	}
}
