//go:build goexperiment.simd && amd64

package matrix

import "simd/archsimd"

// choose takes the last door, the fastest.
func choose() door {
	all := doors()
	return all[len(all)-1]
}

// doors lists what this processor can do, slowest first.
func doors() []door {
	if archsimd.X86.AVX2() && archsimd.X86.FMA() {
		return []door{portable{}, vectors{}}
	}
	return []door{portable{}}
}
