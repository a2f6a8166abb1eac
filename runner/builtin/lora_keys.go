package builtin

import (
	"fmt"
	"strings"
)

// The roles that a tensor of a LoRA can have.
const (
	roleDown = iota
	roleUp
	roleAlpha
	roles
)

// address names a layer: the pipeline's part and the layer's path there, with "_" for ".".
type address struct{ part, layer string }

func (a address) String() string { return a.part + "/" + a.layer }

// endings give a tensor's role; the longer of two that match comes first.
var endings = []struct {
	text string
	role int
}{
	{".lora_linear_layer.down.weight", roleDown},
	{".lora_linear_layer.up.weight", roleUp},
	{".lora_A.default.weight", roleDown},
	{".lora_B.default.weight", roleUp},
	{".lora_down.weight", roleDown},
	{".lora_up.weight", roleUp},
	{".lora.down.weight", roleDown},
	{".lora.up.weight", roleUp},
	{"_lora.down.weight", roleDown}, // attention processors of the first diffusers versions
	{"_lora.up.weight", roleUp},
	{".lora_A.weight", roleDown},
	{".lora_B.weight", roleUp},
	{".alpha", roleAlpha},
}

// beginnings give the part; the first that matches counts. A PEFT adapter without one is for the UNet.
var beginnings = []struct{ text, part string }{
	{"lora_unet_", "unet"},
	{"lora_te1_", "text_encoder"},
	{"lora_te_", "text_encoder"},
	{"unet.", "unet"},
	{"text_encoder.", "text_encoder"},
	{"", "unet"},
}

// parseKey reads the name of a tensor.
func parseKey(key string) (address, int, error) {
	rest := strings.TrimPrefix(key, "base_model.model.")
	role := -1
	for _, e := range endings {
		if strings.HasSuffix(rest, e.text) {
			rest, role = strings.TrimSuffix(rest, e.text), e.role
			break
		}
	}
	if role < 0 {
		return address{}, 0, fmt.Errorf("the key %s is not one of a LoRA that the builtin runtime implements", key)
	}
	for _, b := range beginnings {
		if path, ok := strings.CutPrefix(rest, b.text); ok {
			return address{b.part, flatten(path)}, role, nil
		}
	}
	panic("the last beginning is empty")
}

// flatten brings a path to the form that all the namings share.
func flatten(path string) string {
	path = strings.ReplaceAll(path, ".processor.", ".")
	path = strings.ReplaceAll(path, ".", "_")
	path = strings.TrimPrefix(path, "text_model_")
	// The first diffusers versions name the projection without its place in the list.
	if strings.HasSuffix(path, "_to_out") {
		path += "_0"
	}
	return path
}
