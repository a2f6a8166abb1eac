package diffusers

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/easelgrid/easel/model"
)

//go:embed worker/*.py
var embedded embed.FS

// Worker is the Python program.
func Worker() fs.FS {
	files, err := fs.Sub(embedded, "worker")
	if err != nil { // a constant name that is embedded
		panic(err)
	}
	return files
}

// unpack writes files into PARENT/DIGEST/NAME, where the digest is that of the files, and returns that directory.
// Files that are already there are compared byte by byte, since they are about to be run. The directory is renamed
// into place when it is complete, so nobody sees half of it.
func unpack(parent, name string, files fs.FS) (string, error) {
	digest, err := model.DigestTree(files)
	if err != nil {
		return "", err
	}
	home := filepath.Join(parent, digest[:16])
	target := filepath.Join(home, name)
	if same(target, files) {
		return target, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(parent, ".part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made)
	if err := write(filepath.Join(made, name), files); err != nil {
		return "", err
	}
	if err := os.Rename(made, home); err == nil {
		return target, nil
	}
	if same(target, files) { // another process was faster
		return target, nil
	}
	// Something else is there: damaged, or changed by somebody.
	if err := os.Rename(home, made+"-old"); err != nil {
		return "", err
	}
	defer os.RemoveAll(made + "-old")
	return target, os.Rename(made, home)
}

func write(target string, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(target, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		body, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, body, 0o600)
	})
}

// same reports whether a directory has exactly these files.
func same(target string, files fs.FS) bool {
	there := os.DirFS(target)
	count := func(tree fs.FS) (n int, err error) {
		err = fs.WalkDir(tree, ".", func(_ string, d fs.DirEntry, err error) error {
			n++
			if err == nil && !d.IsDir() && !d.Type().IsRegular() {
				err = errors.New("neither file nor directory")
			}
			return err
		})
		return n, err
	}
	have, err := count(there)
	want, err2 := count(files)
	if err != nil || err2 != nil || have != want {
		return false
	}
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		a, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		if b, err := fs.ReadFile(there, path); err != nil || !bytes.Equal(a, b) {
			return errors.New("another file")
		}
		return nil
	})
	return err == nil
}
