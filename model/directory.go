package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks bounds how many symbolic links one directory's digest follows: links to directories of links could
// multiply without end.
const maxLinks = 10_000

// DigestDirectory is [DigestTree] of a directory on disk, where symbolic links are followed: a snapshot in a Hugging
// Face cache consists of nothing else. What a link leads to counts under the link's own name, so the digest is that of
// the same directory with the files copied in place. A link has to stay in the model's store: the directory itself
// or, for a snapshot in a cache, its whole repository (models--OWNER--NAME, whose blobs hold the files). One that
// leaves the store, leads nowhere or leads back into a directory it lies in is an error. The worker of the
// diffusers runtime has the same rule (worker/digest.py).
func DigestDirectory(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	w := walk{store: storeOf(dir)}
	if err := w.directory(dir, "", nil); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, f := range w.files {
		if err := addNamed(sum, f.name, func() (fs.File, error) { return os.Open(f.path) }); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// storeOf is the directory that the links of a model's directory have to stay in.
func storeOf(dir string) string {
	for at := dir; filepath.Dir(at) != at; at = filepath.Dir(at) {
		repository, snapshots := filepath.Split(filepath.Dir(at))
		repository = filepath.Clean(repository)
		if snapshots == "snapshots" && strings.HasPrefix(filepath.Base(repository), "models--") {
			return repository
		}
	}
	return dir
}

// walk collects the files of a directory in lexical order.
type walk struct {
	store string
	links int // followed so far
	files []located
}

// located is a file by its name within the model and by where its bytes are.
type located struct{ name, path string }

// directory adds the files of dir. above holds the real paths of the directories that dir lies in.
func (w *walk) directory(dir, prefix string, above []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	above = append(above, dir)
	for _, e := range entries {
		path, kind := filepath.Join(dir, e.Name()), e.Type()
		if kind&fs.ModeSymlink != 0 {
			link := path
			if path, kind, err = w.follow(link); err != nil {
				return err
			}
			if slices.Contains(above, path) {
				return fmt.Errorf("%s: the symbolic link leads back to a directory that it lies in", link)
			}
		}
		switch {
		case kind.IsDir():
			if err := w.directory(path, prefix+e.Name()+"/", above); err != nil {
				return err
			}
		case kind.IsRegular():
			w.files = append(w.files, located{prefix + e.Name(), path})
		}
	}
	return nil
}

// follow returns the real path of what a link leads to, and what that is.
func (w *walk) follow(link string) (target string, kind fs.FileMode, err error) {
	if w.links++; w.links > maxLinks {
		return "", 0, fmt.Errorf("%s: the directory has more than %d symbolic links", link, maxLinks)
	}
	if target, err = filepath.EvalSymlinks(link); err != nil {
		return "", 0, fmt.Errorf("%s: the symbolic link leads nowhere: %w", link, err)
	}
	if within, err := filepath.Rel(w.store, target); err != nil || !filepath.IsLocal(within) {
		return "", 0, fmt.Errorf("%s: the symbolic link leads to %s, outside of the model's store %s: copy the file here", link, target, w.store)
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", 0, err
	}
	return target, info.Mode().Type(), nil
}
