package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/model"
)

// entry is a model the runtime can load.
type entry struct {
	model api.Model
	files fs.FS
	loras []model.LoRA
}

// findModels lists the shipped model first, then those of the options.
func findModels(o Options) ([]entry, error) {
	shippedLoRAs, err := model.FindLoRAs(ShippedLoRAs())
	if err != nil {
		return nil, fmt.Errorf("shipped LoRAs: %w", err)
	}
	var local []model.LoRA
	for _, dir := range o.LoRADirs {
		found, err := model.FindLoRAs(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("LoRA directory %s: %w", dir, err)
		}
		local = append(local, found...)
	}
	digest, err := model.DigestTree(Shipped())
	if err != nil {
		return nil, fmt.Errorf("shipped model: %w", err)
	}
	shipped, err := newEntry(ShippedModel, digest, Shipped(), append(shippedLoRAs, local...))
	entries, faults := []entry{shipped}, []error{err}
	for _, dir := range o.ModelDirs {
		e, err := openEntry(dir, local)
		entries, faults = append(entries, e), append(faults, err)
	}
	return entries, errors.Join(faults...)
}

// openEntry reads a model's directory; the model is named like it.
func openEntry(dir string, loras []model.LoRA) (entry, error) {
	name := filepath.Base(filepath.Clean(dir))
	digest, err := model.DigestDirectory(dir)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	return newEntry(name, digest, os.DirFS(dir), loras)
}

func newEntry(name, digest string, files fs.FS, loras []model.LoRA) (entry, error) {
	width, height, err := model.NativeSize(files)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	e := entry{files: files, loras: loras, model: api.Model{
		Name: name, Architecture: "sd1", Digest: digest, Width: width, Height: height,
		Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{},
	}}
	if err := model.Describe(files, &e.model); err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	for _, l := range loras {
		e.model.LoRAs = append(e.model.LoRAs, l.Adapter)
	}
	return e, nil
}
