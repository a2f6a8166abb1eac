package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/easelgrid/easel/api"
)

// entry is a model the runtime can load.
type entry struct {
	model api.Model
	files fs.FS
	loras []loraFile
}

// vaeDir is a VAE and where it is.
type vaeDir struct {
	api.Adapter
	files fs.FS
}

// loraFile is an adapter and where it is.
type loraFile struct {
	api.Adapter
	files fs.FS
	path  string
}

// findModels lists the shipped model first, then those of the options.
func findModels(o Options) ([]entry, error) {
	shippedLoRAs, err := findLoRAs(ShippedLoRAs())
	if err != nil {
		return nil, fmt.Errorf("shipped LoRAs: %w", err)
	}
	var local []loraFile
	for _, dir := range o.LoRADirs {
		found, err := findLoRAs(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("LoRA directory %s: %w", dir, err)
		}
		local = append(local, found...)
	}
	shipped, err := newEntry(ShippedModel, Shipped(), append(shippedLoRAs, local...))
	entries := []entry{shipped}
	for _, dir := range o.ModelDirs {
		e, err2 := newEntry(filepath.Base(filepath.Clean(dir)), os.DirFS(dir), local)
		entries, err = append(entries, e), errors.Join(err, err2)
	}
	return entries, err
}

func newEntry(name string, files fs.FS, loras []loraFile) (entry, error) {
	digest, err := digestTree(files)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	width, height, err := nativeSize(files)
	if err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	e := entry{files: files, loras: loras, model: api.Model{
		Name: name, Architecture: "sd1", Digest: digest, Width: width, Height: height,
		Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler", LoRAs: []api.Adapter{},
	}}
	if err := describe(files, &e.model); err != nil {
		return entry{}, fmt.Errorf("model %s: %w", name, err)
	}
	for _, l := range loras {
		e.model.LoRAs = append(e.model.LoRAs, l.Adapter)
	}
	return e, nil
}

// findVAEs lists every directory in dirs that looks like a VAE's.
func findVAEs(dirs []string) ([]vaeDir, error) {
	var found []vaeDir
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
			files := os.DirFS(filepath.Dir(path))
			digest, err := digestTree(files)
			if err != nil {
				return nil, fmt.Errorf("VAE directory %s: %w", dir, err)
			}
			found = append(found, vaeDir{api.Adapter{Name: name, Digest: digest}, files})
		}
	}
	return found, nil
}

func findLoRAs(files fs.FS) ([]loraFile, error) {
	paths, err := fs.Glob(files, "*.safetensors")
	if err != nil {
		return nil, err
	}
	var found []loraFile
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".safetensors")
		if !api.PlainName(name) {
			continue
		}
		digest, err := digestFile(files, path)
		if err != nil {
			return nil, err
		}
		found = append(found, loraFile{api.Adapter{Name: name, Digest: digest}, files, path})
	}
	return found, nil
}

// notes is easel.json in a model's directory: what the other files do not say.
type notes struct {
	Width             int                              `json:"width"`
	Height            int                              `json:"height"`
	Steps             int                              `json:"steps"`
	GuidanceScale     float64                          `json:"guidance_scale"`
	Scheduler         string                           `json:"scheduler"`
	SchedulerDefaults map[string]api.SchedulerDefaults `json:"scheduler_defaults"`
	ClosedVocabulary  bool                             `json:"closed_vocabulary"`
	PlainBackground   bool                             `json:"plain_background"`
}

// describe fills in what a request to the model has to know: from easel.json, where there is one, and from
// the text encoder's configuration.
func describe(files fs.FS, m *api.Model) error {
	n := notes{Width: m.Width, Height: m.Height, Steps: m.Steps, GuidanceScale: m.GuidanceScale, Scheduler: m.Scheduler}
	body, err := fs.ReadFile(files, "easel.json")
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&n); err != nil {
			return fmt.Errorf("easel.json: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var text struct {
		Layers int `json:"num_hidden_layers"`
	}
	// A model whose text encoder cannot be read is an error of loading it, not of all the others.
	if body, err := fs.ReadFile(files, "text_encoder/config.json"); err == nil {
		_ = json.Unmarshal(body, &text)
	}
	m.Width, m.Height = n.Width, n.Height
	m.Steps, m.GuidanceScale, m.Scheduler, m.SchedulerDefaults = n.Steps, n.GuidanceScale, n.Scheduler, n.SchedulerDefaults
	m.ClosedVocabulary, m.PlainBackground, m.TextLayers = n.ClosedVocabulary, n.PlainBackground, text.Layers
	return nil
}
