package diffusers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

var some = fstest.MapFS{"__main__.py": {Data: []byte("print()")}, "part/a.py": {Data: []byte("a")}}

func TestUnpackGivesTheFilesAndRepairsThem(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
	}{
		{"nothing", func(*testing.T, string) {}},
		{"a file changed", func(t *testing.T, dir string) {
			check(t, os.WriteFile(filepath.Join(dir, "part", "a.py"), []byte("evil"), 0o600))
		}},
		{"a file too many", func(t *testing.T, dir string) {
			check(t, os.WriteFile(filepath.Join(dir, "torch.py"), []byte("evil"), 0o600))
		}},
		{"a file missing", func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "part", "a.py"))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "data")
			first, err := unpack(parent, "worker", some)
			check(t, err)
			test.spoil(t, first)
			again, err := unpack(parent, "worker", some)
			check(t, err)
			if again != first || filepath.Base(again) != "worker" || !same(again, some) {
				t.Errorf("unpacked to %s and %s", first, again)
			}
			entries, err := os.ReadDir(parent)
			check(t, err)
			if len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
			private(t, again)
		})
	}
}

// private fails if others may read what was unpacked.
func private(t *testing.T, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return // no such bits there
	}
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

func TestOtherFilesGoElsewhere(t *testing.T) {
	parent := t.TempDir()
	a, err := unpack(parent, "worker", some)
	check(t, err)
	b, err := unpack(parent, "worker", fstest.MapFS{"__main__.py": {Data: []byte("print(2)")}})
	check(t, err)
	if a == b {
		t.Error("two versions share a directory")
	}
}

func TestTheLockPinsEveryPackageWithHashes(t *testing.T) {
	blocks := strings.Split("\n"+strings.ReplaceAll(string(Requirements), " \\\n    ", " "), "\n")
	pinned := 0
	for _, line := range blocks {
		if line == "" {
			continue
		}
		if !strings.Contains(line, "==") || !strings.Contains(line, "--hash=sha256:") {
			t.Errorf("not pinned: %.80s", line)
		}
		pinned++
	}
	if n := countRequirements(Requirements); n != pinned || n < 30 {
		t.Errorf("%d packages counted, %d there", n, pinned)
	}
}

func TestPipsWordsBecomePlainOnes(t *testing.T) {
	for _, test := range []struct{ name, printed, want string }{
		{"hash", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one that is pinned"},
		{"network", "WARNING: Retrying: Failed to establish a new connection: [Errno -3]\nERROR: No matching distribution found for tqdm==4.70.1", "cannot be reached"},
		{"disk", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"},
		{"an empty index", "ERROR: Could not find a version that satisfies the requirement torch==2.15.0 (from versions: none)\nERROR: No matching distribution found for torch==2.15.0", "cannot be reached or has none"},
		{"platform", "ERROR: No matching distribution found for torch==2.15.0", "lacks a package for this system"},
		{"something else", "ERROR: the moon is full", "pip failed: ERROR: the moon is full"},
		{"silence", "", "exit status 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := pipListener{progress: func(Progress) {}, log: &strings.Builder{}}
			l.listen(strings.NewReader(test.printed))
			if err := l.explain(errors.New("exit status 1")); !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q", err, test.want)
			}
		})
	}
}

func TestPipsProgressIsCounted(t *testing.T) {
	var last Progress
	l := pipListener{progress: func(p Progress) { last = p }, log: &strings.Builder{}, total: 4, phase: "downloading"}
	l.listen(strings.NewReader("Ignoring colorama: markers 'sys_platform == \"win32\"' don't match your environment\nCollecting torch==2 (from -r x)\n  Downloading torch.whl\nCollecting numpy==2 (from -r x)\n"))
	if want := (Progress{"downloading", "numpy", 1, 3}); last != want {
		t.Errorf("got %+v, want %+v", last, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
