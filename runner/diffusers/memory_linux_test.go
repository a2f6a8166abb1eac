package diffusers_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// limitMemory leaves a running process no more address space than it has already, and a bit, until the test ends.
func limitMemory(t *testing.T, pid int) {
	t.Helper()
	body, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(body))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, nil, &before); err != nil {
		t.Fatal(err)
	}
	now := before
	now.Cur = pages*uint64(os.Getpagesize()) + 16<<20
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &now, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Prlimit(pid, unix.RLIMIT_AS, &before, nil); err != nil {
			t.Error(err)
		}
	})
}
