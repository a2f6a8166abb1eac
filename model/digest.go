// Package model owns what is known of model files on disk without an engine: their digests, the adapters in a
// directory, and what configurations state.
package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
)

// DigestFile is the SHA-256 of one file, in hex.
func DigestFile(files fs.FS, path string) (string, error) {
	f, err := files.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// DigestTree is the SHA-256 over the names, sizes and contents of all files, in lexical order, in hex. It is for files
// that cannot be links, such as those in the binary; [DigestDirectory] is for directories on disk.
func DigestTree(files fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return addNamed(sum, path, func() (fs.File, error) { return files.Open(path) })
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// addNamed adds a file under its name to the digest of a directory.
func addNamed(sum hash.Hash, name string, open func() (fs.File, error)) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%q %d\n", name, info.Size())
	_, err = io.Copy(sum, f)
	return err
}
