package scheduler

import "math"

// alphasCumprod returns the products of 1-beta up to each training timestep, rounded to float32 where PyTorch
// rounds (Ho, Jain and Abbeel 2020, arXiv:2006.11239, section 2).
func (c Config) alphasCumprod() []float32 {
	start, end := c.BetaStart, c.BetaEnd
	if c.BetaSchedule == "scaled_linear" {
		start, end = math.Sqrt(start), math.Sqrt(end)
	}
	alphas := make([]float32, c.TrainTimesteps)
	product := 1.0
	for i, beta := range linspace(float32(start), float32(end), c.TrainTimesteps) {
		if c.BetaSchedule == "scaled_linear" {
			beta *= beta
		}
		product *= float64(1 - beta)
		alphas[i] = float32(product)
	}
	return alphas
}

// linspace is torch.linspace in float32: the second half counts from the end.
func linspace(start, end float32, n int) []float32 {
	x := make([]float32, n)
	if n == 1 {
		x[0] = start
		return x
	}
	step := (end - start) / float32(n-1)
	for i := range x {
		if i < n/2 {
			x[i] = start + float32(step*float32(i))
		} else {
			x[i] = end - float32(step*float32(n-1-i))
		}
	}
	return x
}

// spread places steps among the training timesteps, latest first (Lin et al. 2023, arXiv:2305.08891, table
// 2). The values are whole except with "linspace".
func (c Config) spread(spacing string, steps int) []float64 {
	t := make([]float64, steps)
	train := float64(c.TrainTimesteps)
	for i := range t {
		back := float64(steps - 1 - i)
		switch spacing {
		case "linspace":
			if steps > 1 {
				t[i] = back * ((train - 1) / float64(steps-1))
			}
		case "trailing":
			t[i] = math.RoundToEven(train-float64(i)*(train/float64(steps))) - 1
		default:
			t[i] = back*float64(c.TrainTimesteps/steps) + float64(c.offset())
		}
		// A thousand steps with an offset would leave the table, where diffusers fails.
		t[i] = min(t[i], train-1)
	}
	return t
}
