package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// runtimeHome is where a runtime of this machine keeps what was installed for it: EASEL_HOME, or the place the
// system has for a user's data. Not a cache directory, which may be emptied: gigabytes would be fetched again.
func runtimeHome(name string) (string, error) {
	home := os.Getenv("EASEL_HOME")
	if home == "" {
		var err error
		if home, err = userData(); err != nil {
			return "", fmt.Errorf("find a place for the runtime (EASEL_HOME can name one): %w", err)
		}
	}
	return filepath.Abs(filepath.Join(home, "runtimes", name))
}

func userData() (string, error) {
	switch runtime.GOOS {
	case "windows": // %LocalAppData%
		dir, err := os.UserCacheDir()
		return filepath.Join(dir, "easel"), err
	case "darwin": // ~/Library/Application Support
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "easel"), err
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "easel"), nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, ".local", "share", "easel"), err
}
