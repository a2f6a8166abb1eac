package disk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/easelgrid/easel/internal/disk"
)

func TestWriteFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		before string // content of the file before, "" for none
		body   string
		perm   fs.FileMode
	}{
		{"a new file", "", "new", 0o600},
		{"another content", "something longer than before", "new", 0o600},
		{"nothing", "old", "", 0o600},
		{"for everybody to read", "", "new", 0o644},
		{"for everybody to read, as before for the owner", "old", "new", 0o644},
		{"large", "", strings.Repeat("0123456789", 1<<17), 0o600},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			if test.before != "" {
				if err := os.WriteFile(name, []byte(test.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := disk.WriteFile(name, []byte(test.body), test.perm); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(name); err != nil || string(got) != test.body {
				t.Errorf("it holds %d bytes, %v", len(got), err)
			}
			if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode() != test.perm {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			wantOnly(t, filepath.Dir(name), "file")
		})
	}
}

// wantOnly fails unless the directory holds exactly one entry.
func wantOnly(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("in the directory: %v, %v, want only %s", entries, err, name)
	}
}

func TestWriteFileLeavesNothingAfterAnError(t *testing.T) {
	dir := t.TempDir()
	occupied := filepath.Join(dir, "occupied")
	if err := os.Mkdir(occupied, 0o700); err != nil {
		t.Fatal(err)
	}
	err := disk.WriteFile(occupied, []byte("x"), 0o600)
	problem, ok := errors.AsType[*fs.PathError](err)
	if !ok || problem.Path != occupied || strings.Contains(err.Error(), ".part") {
		t.Errorf("in place of a directory: %v", err)
	}
	wantOnly(t, dir, "occupied")

	missing := filepath.Join(dir, "missing", "file")
	if err := disk.WriteFile(missing, []byte("x"), 0o600); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), ".part") {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

// A name may be as long as the system allows: the temporary file's does not depend on it.
func TestWriteFileWithALongName(t *testing.T) {
	name := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Skipf("not checked: this system has no names of 255 bytes here: %v", err)
	}
	if err := disk.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}

// Readers never see a part, however many write at once.
func TestWriteFileAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not checked: Windows refuses to replace a file that is open")
	}
	name := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)}
	if err := disk.WriteFile(name, contents[0], 0o600); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for _, content := range contents {
		writers.Go(func() {
			for range 20 {
				if err := disk.WriteFile(name, content, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	}
	wantOnly(t, filepath.Dir(name), "file")
}
