package scheduler

// kdpm2Ancestral is KDPM2AncestralDiscreteScheduler: midpoint steps that go down too far and add fresh noise
// (Song et al. 2020, arXiv:2011.13456, appendix F).
type kdpm2Ancestral struct {
	midpoint
	random Random
	noise  []float32
}

func newKDPM2Ancestral(s settings, steps int, random Random) Scheduler {
	return &kdpm2Ancestral{random: random, midpoint: newMidpoint(s, steps, func(from, to float32) float32 {
		_, down := ancestral(from, to)
		return down
	})}
}

func (k *kdpm2Ancestral) Step(sample, output, original []float32, call int) {
	k.midpoint.Step(sample, output, original, call)
	if call%2 == 0 {
		return
	}
	up, _ := ancestral(k.levels[call/2], k.levels[call/2+1])
	k.noise = draw(k.random, k.noise, len(sample))
	for i, noise := range k.noise {
		sample[i] += noise * up
	}
}
