package diffusers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// The versions of Python that the lock file was made for.
const oldestPython, newestPython = 11, 14 // 3.11 to 3.14

// pythons are the names under which an interpreter may be found, the best first.
func pythons() []string {
	names := []string{"python3", "python"}
	for minor := oldestPython; minor <= newestPython; minor++ {
		names = append(names, "python3."+strconv.Itoa(minor))
	}
	if runtime.GOOS == "windows" {
		names = append(names, "py")
	}
	return names
}

// findPython returns the path of an interpreter that can make the environment.
func findPython(ctx context.Context, wish string) (string, error) {
	if wish != "" {
		path, err := exec.LookPath(wish)
		if err != nil {
			return "", fmt.Errorf("there is no program %s", wish)
		}
		return path, suits(ctx, path)
	}
	var faults []error
	for _, name := range pythons() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err := suits(ctx, path); err != nil {
			faults = append(faults, err)
			continue
		}
		return path, nil
	}
	missing := fmt.Errorf("no Python from 3.%d to 3.%d was found: install one (https://www.python.org/downloads/) or name it with --python", oldestPython, newestPython)
	return "", errors.Join(append([]error{missing}, faults...)...)
}

// suits returns why an interpreter will not do.
func suits(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, path, "-I", "-c", "import sys, struct; print(*sys.version_info[:2], 8 * struct.calcsize('P'))").Output()
	if err != nil {
		return fmt.Errorf("%s is no Python that runs: %w", path, err)
	}
	var major, minor, bits int
	if _, err := fmt.Sscan(string(out), &major, &minor, &bits); err != nil {
		return fmt.Errorf("%s is no Python: it says %s", path, strconv.Quote(strings.TrimSpace(string(out[:min(len(out), 80)]))))
	}
	switch {
	case major != 3 || minor < oldestPython || minor > newestPython:
		return fmt.Errorf("%s is Python %d.%d, the packages need 3.%d to 3.%d", path, major, minor, oldestPython, newestPython)
	case bits != 64:
		return fmt.Errorf("%s is a Python of %d bits, the packages need 64", path, bits)
	}
	return nil
}
