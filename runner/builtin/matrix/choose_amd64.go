package matrix

import "golang.org/x/sys/cpu"

// doors lists what this processor can do, slowest first. The flags include that the system keeps the registers.
func doors() []door {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return []door{portable{}, vectors{}}
	}
	return []door{portable{}}
}
