//go:build !(goexperiment.simd && amd64)

package matrix

func choose() door { return portable{} }

// doors lists what this build has, for tests.
func doors() []door { return []door{portable{}} }
