package scheduler

import "math"

// spread places steps among the training timesteps, latest first (Lin et al. 2023, arXiv:2305.08891, table
// 2). The values are whole except with "linspace".
func (s settings) spread(steps int) []float64 {
	t := make([]float64, steps)
	train := float64(s.train)
	for i := range t {
		back := float64(steps - 1 - i)
		switch s.spacing {
		case "linspace":
			if steps > 1 {
				t[i] = back * ((train - 1) / float64(steps-1))
			}
		case "trailing":
			t[i] = s.trailing(s.train, i, steps)
		default:
			t[i] = back*float64(s.train/steps) + float64(s.offset)
		}
		// A thousand steps with an offset would leave the table, where diffusers fails.
		t[i] = min(t[i], train-1)
	}
	return t
}

// whole is spread with timesteps that index the table.
func (s settings) whole(steps int) []int {
	t := make([]int, steps)
	for i, at := range s.spread(steps) {
		t[i] = int(math.RoundToEven(at))
	}
	return t
}

// trailing is step i counted down from an end, rounded on the way as numpy.arange does. For 61 steps and some
// other numbers diffusers makes one step too many, at timestep -1, by that rounding; it is left out here.
func (s settings) trailing(end, i, steps int) float64 {
	from := float64(end)
	ratio := (from - float64(s.train)/float64(steps)) - from
	return max(math.RoundToEven(from+float64(i)*ratio)-1, 0)
}

// spreadOpen is spread for the methods of the DPM-Solver family: the walk's end counts as one more point,
// which is not visited.
func (s settings) spreadOpen(steps int) []float64 {
	last := s.train - s.clipped()
	t := make([]float64, steps)
	for i := range t {
		switch s.spacing {
		case "leading":
			t[i] = float64((steps-i)*(last/(steps+1)) + s.offset)
		case "trailing":
			t[i] = s.trailing(last, i, steps)
		default:
			t[i] = math.RoundToEven(float64(steps-i) * (float64(last-1) / float64(steps)))
		}
		t[i] = max(min(t[i], float64(s.train-1)), 0)
	}
	return t
}

// clipped counts the last timesteps whose half log signal-to-noise ratio is below lambda_min_clipped.
func (s settings) clipped() int {
	n := 0
	for n < s.train-1 {
		alpha := float64(s.alphas[s.train-1-n])
		if math.Log(alpha/(1-alpha))/2 >= s.lambdaMin {
			break
		}
		n++
	}
	return n
}
