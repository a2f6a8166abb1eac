package scheduler

// tabular is what the methods share that step between training timesteps, with sample = sqrt(alpha)*picture +
// sqrt(1-alpha)*noise and alpha from the table (Ho, Jain and Abbeel 2020, arXiv:2006.11239, formula 4).
type tabular struct {
	at         []int // the timestep of each call
	timesteps  []float32
	alphas     []float32
	final      float32 // alpha before the first timestep
	prediction prediction
	clip       float32 // bound of the picture, or 0 for none
}

func (s settings) tabular(at []int) tabular {
	t := tabular{at: at, alphas: s.alphas, final: 1, prediction: s.prediction, clip: s.clip}
	if !s.alphaToOne {
		t.final = s.alphas[0]
	}
	for _, time := range at {
		t.timesteps = append(t.timesteps, float32(time))
	}
	return t
}

func (t *tabular) InitSigma() float32 { return 1 }

func (t *tabular) Timesteps() []float32 { return t.timesteps }

func (t *tabular) Order() int { return 1 }

func (t *tabular) Scale(dst, sample []float32, _ int) { copy(dst, sample) }

func (t *tabular) AddNoise(dst, original, noise []float32, call int) {
	if call == len(t.at) {
		copy(dst, original)
		return
	}
	blend(dst, original, noise, t.alphas[t.at[call]])
}

// blend writes sqrt(alpha)*original + sqrt(1-alpha)*noise.
func blend(dst, original, noise []float32, alpha float32) {
	a, b := sqrt32(alpha), sqrt32(1-alpha)
	for i, x := range original {
		dst[i] = a*x + b*noise[i]
	}
}

// alpha reads the table, also before its start and after its end.
func (t *tabular) alpha(time int) float32 {
	if time < 0 {
		return t.final
	}
	return t.alphas[min(time, len(t.alphas)-1)]
}

// clamped bounds the picture where the configuration has a bound.
func (t *tabular) clamped(picture float32) float32 {
	if t.clip > 0 {
		return min(max(picture, -t.clip), t.clip)
	}
	return picture
}
