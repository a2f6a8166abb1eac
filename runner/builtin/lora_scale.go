package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"

	"github.com/easelgrid/easel/runner/builtin/config"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// scales are the alphas that stand beside the tensors rather than among them, by part.
type scales map[string]adapter

// adapter is the part of a PEFT configuration that changes the scale.
type adapter struct {
	Alpha        *float64           `json:"lora_alpha"`
	RankScaled   bool               `json:"use_rslora"`
	DoRA         bool               `json:"use_dora"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`
}

// of is alpha / rank, or alpha / sqrt(rank) where the adapter asks for it (Kalajdzievski 2023, arXiv:2312.03732).
// Without an alpha the scale is 1, as diffusers has it.
func (s scales) of(part string, rank int) float64 {
	a, ok := s[part]
	switch {
	case !ok || a.Alpha == nil:
		return 1
	case a.RankScaled:
		return *a.Alpha / math.Sqrt(float64(rank))
	default:
		return *a.Alpha / float64(rank)
	}
}

// readScales reads the configuration that diffusers stores in the file's metadata, or the one that PEFT
// stores as adapter_config.json beside its adapter_model.safetensors.
func readScales(fsys fs.FS, name string, file *safetensors.File) (scales, error) {
	if text := file.Metadata("lora_adapter_metadata"); text != "" {
		return scalesOfMetadata(name, text)
	}
	if path.Base(name) != "adapter_model.safetensors" {
		return nil, nil
	}
	beside := path.Join(path.Dir(name), "adapter_config.json")
	f, err := config.Open(fsys, beside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.Only("peft_type", "LORA")
	f.Only("use_dora", false)
	f.Only("alpha_pattern", map[string]float64{})
	a := adapter{RankScaled: f.Bool("use_rslora", false)}
	if f.Has("lora_alpha") {
		alpha := f.Float("lora_alpha", 0)
		a.Alpha = &alpha
	}
	return scales{"unet": a, "text_encoder": a}, f.Err()
}

// scalesOfMetadata reads names like "unet.lora_alpha".
func scalesOfMetadata(name, text string) (scales, error) {
	var flat map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &flat); err != nil {
		return nil, fmt.Errorf("%s: lora_adapter_metadata: %w", name, err)
	}
	s := scales{}
	for _, part := range []string{"unet", "text_encoder"} {
		var a adapter
		for field, to := range map[string]any{
			"lora_alpha": &a.Alpha, "use_rslora": &a.RankScaled, "use_dora": &a.DoRA, "alpha_pattern": &a.AlphaPattern,
		} {
			raw, ok := flat[part+"."+field]
			if !ok {
				continue
			}
			if err := json.Unmarshal(raw, to); err != nil {
				return nil, fmt.Errorf("%s: lora_adapter_metadata: %s.%s: %w", name, part, field, err)
			}
		}
		if a.DoRA || len(a.AlphaPattern) > 0 {
			return nil, fmt.Errorf("%s: lora_adapter_metadata: the builtin runtime does not implement use_dora and alpha_pattern", name)
		}
		s[part] = a
	}
	return s, nil
}
