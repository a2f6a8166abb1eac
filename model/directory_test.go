package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// directory is a case of testdata/directories.json. Python's half of the rule is held against the same cases, in
// runner/diffusers.
type directory struct {
	Name        string
	Directory   string            // whose digest is wanted
	Directories []string          // that are empty
	Files       map[string]string // contents by path
	Links       map[string]string // targets by path; ROOT stands for the root of the case
	Digest      string            // or
	Refused     string            // part of the error's text
}

func (d directory) lay(t *testing.T, root string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(path string) string {
		path = filepath.Join(root, filepath.FromSlash(path))
		check(os.MkdirAll(filepath.Dir(path), 0o700))
		return path
	}
	for _, path := range d.Directories {
		check(os.Mkdir(at(path), 0o700))
	}
	for path, content := range d.Files {
		check(os.WriteFile(at(path), []byte(content), 0o600))
	}
	for path := range d.Links { // on Windows a link's kind is that of its target, which has to be there
		at(path)
	}
	for path, target := range d.Links {
		target = filepath.FromSlash(strings.ReplaceAll(target, "ROOT", filepath.ToSlash(root)))
		if err := os.Symlink(target, at(path)); err != nil && runtime.GOOS == "windows" {
			t.Skipf("this account may not make symbolic links: %v", err)
		} else {
			check(err)
		}
	}
}

func TestDigestsOfDirectories(t *testing.T) {
	body, err := os.ReadFile("testdata/directories.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []directory
	if err := json.Unmarshal(body, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			root := t.TempDir()
			c.lay(t, root)
			digest, err := DigestDirectory(filepath.Join(root, filepath.FromSlash(c.Directory)))
			if c.Refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.Refused) {
					t.Errorf("got %s, %v; want an error with %q", digest, err, c.Refused)
				}
				return
			}
			if err != nil || digest != c.Digest {
				t.Errorf("got %s, %v; want %s", digest, err, c.Digest)
			}
			if len(c.Links) == 0 {
				if tree, err := DigestTree(os.DirFS(filepath.Join(root, c.Directory))); err != nil || tree != digest {
					t.Errorf("as a file system it has the digest %s, %v", tree, err)
				}
			}
		})
	}
}

func TestDirectoryThatIsMissingIsAnError(t *testing.T) {
	if digest, err := DigestDirectory(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Errorf("it has the digest %s", digest)
	}
}
