package model

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/easelgrid/easel/api"
)

// A VAE is an adapter with its directory.
type VAE struct {
	api.Adapter
	Files fs.FS
}

// A LoRA is an adapter with its file.
type LoRA struct {
	api.Adapter
	Files fs.FS
	Path  string
}

// FindVAEs lists the VAEs in each of dirs: subdirectories with a config.json, named like them. Names that are not
// plain are left out.
func FindVAEs(dirs []string) ([]VAE, error) {
	var found []VAE
	for _, dir := range dirs {
		configs, err := filepath.Glob(filepath.Join(dir, "*", "config.json"))
		if err != nil {
			return nil, err
		}
		for _, path := range configs {
			name := filepath.Base(filepath.Dir(path))
			if !api.PlainName(name) {
				continue
			}
			digest, err := DigestDirectory(filepath.Dir(path))
			if err != nil {
				return nil, fmt.Errorf("VAE directory %s: %w", dir, err)
			}
			found = append(found, VAE{api.Adapter{Name: name, Digest: digest}, os.DirFS(filepath.Dir(path))})
		}
	}
	return found, nil
}

// FindLoRAs lists the LoRAs of a directory, NAME.safetensors each. Names that are not plain are left out.
func FindLoRAs(files fs.FS) ([]LoRA, error) {
	paths, err := fs.Glob(files, "*.safetensors")
	if err != nil {
		return nil, err
	}
	var found []LoRA
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".safetensors")
		if !api.PlainName(name) {
			continue
		}
		digest, err := DigestFile(files, path)
		if err != nil {
			return nil, err
		}
		found = append(found, LoRA{api.Adapter{Name: name, Digest: digest}, files, path})
	}
	return found, nil
}
