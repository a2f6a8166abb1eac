package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/easelgrid/easel/api"
)

// notes is easel.json in a model's directory: what the other files do not state.
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

// Describe fills in the defaults and limits of a model from easel.json, if there is one, and from the text
// encoder's configuration. An easel.json with unknown fields is an error.
func Describe(files fs.FS, m *api.Model) error {
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
	// A text encoder that cannot be read fails when its model is loaded; it must not keep the others from use.
	if body, err := fs.ReadFile(files, "text_encoder/config.json"); err == nil {
		_ = json.Unmarshal(body, &text)
	}
	m.Width, m.Height = n.Width, n.Height
	m.Steps, m.GuidanceScale, m.Scheduler, m.SchedulerDefaults = n.Steps, n.GuidanceScale, n.Scheduler, n.SchedulerDefaults
	m.ClosedVocabulary, m.PlainBackground, m.TextLayers = n.ClosedVocabulary, n.PlainBackground, text.Layers
	return nil
}

// NativeSize is the size in pixels that a pipeline was trained for, from its configurations alone. A side must be
// 64 to 16384 pixels.
func NativeSize(files fs.FS) (width, height int, err error) {
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
