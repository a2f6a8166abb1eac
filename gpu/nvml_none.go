//go:build !((linux && cgo) || ((windows || linux) && (amd64 || arm64)))

package gpu

// openNVML finds nothing: NVIDIA ships no NVML for this system.
func openNVML() (driver, error) { return nil, nil }
