package disk_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/internal/disk"
)

// TestMain lets the test binary be another process that holds a lock until it is killed.
func TestMain(m *testing.M) {
	name := os.Getenv("EASEL_TEST_LOCK")
	if name == "" {
		os.Exit(m.Run())
	}
	if _, err := disk.Lock(name); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := disk.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := disk.Lock(name); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a second lock: %v, %v", again, err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	held, err = disk.Lock(name)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	held.Close()
	if _, err := disk.Lock(filepath.Join(t.TempDir(), "missing", "lock")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrLocked) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "EASEL_TEST_LOCK="+name)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	if _, err := disk.Lock(name); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("while the other process holds it: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	held, err := disk.Lock(name)
	if err != nil {
		t.Fatalf("after the other process was killed: %v", err)
	}
	held.Close()
}
