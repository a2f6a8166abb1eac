package scheduler

import "math"

// noising is how much noise training adds at each timestep: beta (Ho, Jain and Abbeel 2020,
// arXiv:2006.11239, section 2).
type noising struct {
	start, end float64
	kind       string    // "linear", "scaled_linear" or "squaredcos_cap_v2"
	trained    []float64 // instead of the rest
}

// alphas returns the products of 1-beta up to each training timestep, rounded to float32 where PyTorch
// rounds.
func (n noising) alphas(train int, zeroSNR bool) []float32 {
	betas := n.betas(train)
	products := cumulative(betas)
	if zeroSNR {
		for i, ratio := range withoutSignal(products) {
			betas[i] = 1 - ratio
		}
		products = cumulative(betas)
	}
	return products
}

func (n noising) betas(train int) []float32 {
	switch {
	case n.trained != nil:
		betas := make([]float32, train)
		for i, beta := range n.trained {
			betas[i] = float32(beta)
		}
		return betas
	case n.kind == "squaredcos_cap_v2":
		return cosine(train)
	case n.kind == "scaled_linear":
		betas := linspace32(float32(math.Sqrt(n.start)), float32(math.Sqrt(n.end)), train)
		for i, root := range betas {
			betas[i] = root * root
		}
		return betas
	default:
		return linspace32(float32(n.start), float32(n.end), train)
	}
}

// cosine is the schedule of Nichol and Dhariwal 2021, arXiv:2102.09672, formula 17, with beta at most 0.999.
func cosine(train int) []float32 {
	bar := func(i int) float64 {
		c := math.Cos((float64(i)/float64(train) + 0.008) / 1.008 * math.Pi / 2)
		return c * c
	}
	betas := make([]float32, train)
	for i := range betas {
		betas[i] = float32(min(1-bar(i+1)/bar(i), 0.999))
	}
	return betas
}

func cumulative(betas []float32) []float32 {
	products, product := make([]float32, len(betas)), 1.0
	for i, beta := range betas {
		product *= float64(1 - beta)
		products[i] = float32(product)
	}
	return products
}

// withoutSignal returns alphas, one per timestep, with which the last timestep is pure noise (Lin et al.
// 2023, arXiv:2305.08891, algorithm 1).
func withoutSignal(products []float32) []float32 {
	last := len(products) - 1
	alphas := make([]float32, len(products))
	first, least := sqrt32(products[0]), sqrt32(products[last])
	stretch := float32(1)
	if first != least {
		stretch = first / (first - least)
	}
	before := float32(1)
	for i, product := range products {
		root := (sqrt32(product) - least) * stretch
		bar := root * root
		if before > 0 { // else the signal is gone already, and nothing is known of its rest
			alphas[i] = bar / before
		}
		before = bar
	}
	return alphas
}

// linspace32 is torch.linspace in float32: the second half counts from the end.
func linspace32(start, end float32, n int) []float32 {
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

// linspace is numpy.linspace.
func linspace(start, end float64, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = start
		if n > 1 {
			x[i] += float64(i) * ((end - start) / float64(n-1))
		}
	}
	if n > 1 {
		x[n-1] = end
	}
	return x
}
