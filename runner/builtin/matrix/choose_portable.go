//go:build !amd64

package matrix

// doors lists what this build has.
func doors() []door { return []door{portable{}} }
