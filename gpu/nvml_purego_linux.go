//go:build linux && !cgo && (amd64 || arm64)

package gpu

import "github.com/ebitengine/purego"

// loadNVML opens the driver's library, which the system's loader finds.
func loadNVML() (library uintptr, ok bool) {
	library, err := purego.Dlopen("libnvidia-ml.so.1", purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return library, err == nil
}

func symbol(library uintptr, name string) (address uintptr, ok bool) {
	address, err := purego.Dlsym(library, name)
	return address, err == nil
}
