package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
)

// ShippedModel is the name of the model in the binary: coloured shapes on coloured backgrounds.
// scripts/train made it and measures it.
const ShippedModel = "shapes"

// digestFile is the SHA-256 of one file, in hex.
func digestFile(files fs.FS, path string) (string, error) {
	sum := sha256.New()
	if err := addFile(sum, files, path); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// digestTree is the SHA-256 over the names and contents of all files, in lexical order, in hex.
func digestTree(files fs.FS) (string, error) {
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

// nativeSize reads the size a pipeline was trained for from its configurations alone.
func nativeSize(files fs.FS) (width, height int, err error) {
	var unet struct {
		SampleSize int `json:"sample_size"`
	}
	var vae struct {
		Blocks []int `json:"block_out_channels"`
	}
	for path, into := range map[string]any{"unet/config.json": &unet, "vae/config.json": &vae} {
		body, err := fs.ReadFile(files, path)
		if err != nil {
			return 0, 0, err
		}
		if err := json.Unmarshal(body, into); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	side := unet.SampleSize << max(len(vae.Blocks)-1, 0)
	if side < 64 || side > 1<<14 {
		return 0, 0, fmt.Errorf("unet/config.json: sample_size %d with %d vae blocks gives a side of %d pixels", unet.SampleSize, len(vae.Blocks), side)
	}
	return side, side, nil
}
