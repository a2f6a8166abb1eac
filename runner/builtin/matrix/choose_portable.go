//go:build !(goexperiment.simd && amd64)

package matrix

// choose takes the only door.
func choose() door { return doors()[0] }

// doors lists what this build has.
func doors() []door { return []door{portable{}} }
