//go:build windows && (amd64 || arm64)

package gpu

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// loadNVML opens nvml.dll from the system directory alone, or from where older drivers put it. A
// service must not search PATH or its working directory: anyone could leave a library there.
func loadNVML() (library uintptr, ok bool) {
	h, err := windows.LoadLibraryEx("nvml.dll", 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	if programs := os.Getenv("ProgramFiles"); err != nil && filepath.IsAbs(programs) {
		path := filepath.Join(programs, "NVIDIA Corporation", "NVSMI", "nvml.dll")
		h, err = windows.LoadLibraryEx(path, 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32|windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR)
	}
	return uintptr(h), err == nil
}

func symbol(library uintptr, name string) (address uintptr, ok bool) {
	address, err := windows.GetProcAddress(windows.Handle(library), name)
	return address, err == nil
}
