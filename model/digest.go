// Package model owns what is known of model files on disk without an engine: their digests, the adapters in a
// directory, and what configurations say.
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
	sum := sha256.New()
	if err := addFile(sum, files, path); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// DigestTree is the SHA-256 over the names and contents of all files, in lexical order, in hex.
func DigestTree(files fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", path, info.Size())
		return addFile(sum, files, path)
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func addFile(sum hash.Hash, files fs.FS, path string) error {
	f, err := files.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(sum, f)
	return err
}
