//go:build goexperiment.simd && amd64

package matrix

import "simd/archsimd"

func choose() door {
	if archsimd.X86.AVX2() && archsimd.X86.FMA() {
		return vectors{}
	}
	return portable{}
}

// doors lists what this build has and this processor can do, for tests.
func doors() []door {
	if _, ok := choose().(vectors); ok {
		return []door{portable{}, vectors{}}
	}
	return []door{portable{}}
}
