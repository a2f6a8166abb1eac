package scheduler

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// floor is the sigma, sqrt(1/alpha), that stands for a timestep without signal: alpha is 2^-24.
const floor = 4096

// table has the noise levels of the training timesteps, sigma = sqrt((1-alpha)/alpha), ascending.
type table struct {
	sigmas []float64 // float32 values
	logs   []float64 // float32 values
}

// table has a floor's sigma where the schedule ends without signal, at infinity.
func (s settings) table() table {
	t := table{make([]float64, len(s.alphas)), make([]float64, len(s.alphas))}
	for i, alpha := range s.alphas {
		sigma := sqrt32((1 - alpha) / alpha)
		if s.zeroSNR && (i == len(s.alphas)-1 || alpha == 0) {
			sigma = floor
		}
		t.sigmas[i], t.logs[i] = float64(sigma), float64(log32(sigma))
	}
	return t
}

// at reads the table between its entries.
func (t table) at(time float64) float64 {
	low := int(time)
	if low >= len(t.sigmas)-1 {
		return t.sigmas[len(t.sigmas)-1]
	}
	return t.sigmas[low] + (t.sigmas[low+1]-t.sigmas[low])*(time-float64(low))
}

// time is the inverse of at, by interpolation between the logarithms.
func (t table) time(sigma float64) float64 {
	if len(t.logs) == 1 {
		return 0
	}
	log := math.Log(max(sigma, 1e-10))
	low := sort.Search(len(t.logs), func(i int) bool { return t.logs[i] > log }) - 1
	low = min(max(low, 0), len(t.logs)-2)
	between := (t.logs[low] - log) / (t.logs[low] - t.logs[low+1])
	between = min(max(between, 0), 1)
	return (1-between)*float64(low) + between*float64(low+1)
}

// respace replaces sigmas between the highest and the lowest by a schedule of n.
func (s settings) respace(highest, lowest float64, n int) []float64 {
	if s.sigmaMin > 0 {
		lowest = s.sigmaMin
	}
	if s.sigmaMax > 0 {
		highest = s.sigmaMax
	}
	switch s.sigmaSchedule {
	case "karras":
		return karras(highest, lowest, n)
	case "exponential":
		return exponential(highest, lowest, n)
	default:
		return beta(highest, lowest, n)
	}
}

// karras spaces evenly in sigma^(1/7) (Karras et al. 2022, arXiv:2206.00364, formula 5).
func karras(highest, lowest float64, n int) []float64 {
	const rho = 7
	from, to := math.Pow(highest, 1.0/rho), math.Pow(lowest, 1.0/rho)
	sigmas := linspace(0, 1, n)
	for i, ramp := range sigmas {
		sigmas[i] = math.Pow(from+ramp*(to-from), rho)
	}
	return sigmas
}

// exponential spaces evenly in log sigma.
func exponential(highest, lowest float64, n int) []float64 {
	sigmas := linspace(math.Log(highest), math.Log(lowest), n)
	for i, log := range sigmas {
		sigmas[i] = math.Exp(log)
	}
	return sigmas
}

// beta puts the sigmas at the quantiles of a beta distribution, more of them near both ends (Lee et al. 2024,
// arXiv:2407.12173).
func beta(highest, lowest float64, n int) []float64 {
	const shape = 0.6
	sigmas := linspace(0, 1, n)
	for i, ramp := range sigmas {
		sigmas[i] = lowest + mathext.InvRegIncBeta(shape, shape, 1-ramp)*(highest-lowest)
	}
	return sigmas
}
