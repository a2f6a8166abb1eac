package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// LoRA is a low-rank adapter: for some layers two narrow matrices whose product changes the layer's weights
// (Hu et al. 2021, arXiv:2106.09685). It is read-only and fits any number of pipelines.
type LoRA struct {
	name    string
	modules []module
}

// module is the change of one layer: scale * up * down.
type module struct {
	part       string // "unet" or "text_encoder"
	layer      string // the layer's path with "_" for "."
	key        string // the name that the file gives it, for errors
	down, up   []float32
	rank       int
	in, kernel int // of down: channels, side of the patch
	out        int
	scale      float64
}

// OpenLoRA reads a LoRA file in safetensors format, with names in kohya's form (lora_unet_..., lora_te_...,
// with .lora_down.weight, .lora_up.weight and .alpha) or in that of PEFT and diffusers (unet. or text_encoder.,
// with .lora_A.weight and .lora_B.weight). A file with anything else in it is refused by the name of the key:
// part of a LoRA is not that LoRA.
func OpenLoRA(fsys fs.FS, name string) (*LoRA, error) {
	file, err := safetensors.Open(fsys, name)
	if err != nil {
		return nil, err
	}
	scales, err := readScales(fsys, name, file)
	if err != nil {
		return nil, err
	}
	parts := map[string]*pieces{}
	for _, key := range file.Names() {
		at, role, err := parseKey(key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if parts[at.String()] == nil {
			parts[at.String()] = &pieces{address: at, key: key}
		}
		tensor := &parts[at.String()].tensors[role]
		if tensor.Shape != nil { // in two spellings
			return nil, fmt.Errorf("%s: the key %s repeats what %s has", name, key, parts[at.String()].key)
		}
		*tensor, _ = file.Tensor(key)
	}
	l := &LoRA{name: path.Base(name)}
	for _, id := range slices.Sorted(maps.Keys(parts)) {
		m, err := parts[id].module(scales)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, parts[id].key, err)
		}
		l.modules = append(l.modules, m)
	}
	if len(l.modules) == 0 {
		return nil, fmt.Errorf("%s: the file has no layers", name)
	}
	return l, nil
}

// pieces are the tensors of one layer in a file.
type pieces struct {
	address
	key     string
	tensors [roles]safetensors.Tensor
}

// module checks that the tensors fit one another.
func (p *pieces) module(scales scales) (module, error) {
	m := module{part: p.part, layer: p.layer, key: p.key}
	down, up := p.tensors[roleDown], p.tensors[roleUp]
	if down.Shape == nil || up.Shape == nil {
		return m, errors.New("one of its two matrices is missing")
	}
	if len(down.Shape) != 2 && len(down.Shape) != 4 || len(up.Shape) != len(down.Shape) {
		return m, fmt.Errorf("the shapes %v and %v are not those of a linear layer or a convolution", down.Shape, up.Shape)
	}
	m.rank, m.in, m.kernel, m.out = down.Shape[0], down.Shape[1], 1, up.Shape[0]
	if len(down.Shape) == 4 {
		m.kernel = down.Shape[2]
		if down.Shape[3] != m.kernel || up.Shape[2] != 1 || up.Shape[3] != 1 {
			return m, fmt.Errorf("the shapes %v and %v are not those of a LoRA of a convolution", down.Shape, up.Shape)
		}
	}
	if m.rank == 0 || up.Shape[1] != m.rank {
		return m, fmt.Errorf("the shapes %v and %v do not have one rank", down.Shape, up.Shape)
	}
	var err error
	if m.down, err = down.Float32s(); err != nil {
		return m, err
	}
	if m.up, err = up.Float32s(); err != nil {
		return m, err
	}
	m.scale, err = p.scaleOf(m.rank, scales)
	return m, err
}

// scaleOf is alpha / rank. The file's own alpha comes before the adapter's configuration.
func (p *pieces) scaleOf(rank int, scales scales) (float64, error) {
	alpha := p.tensors[roleAlpha]
	if alpha.Shape == nil {
		return scales.of(p.part, rank), nil
	}
	values, err := alpha.Float32s()
	if err != nil {
		return 0, err
	}
	if len(values) != 1 || math.IsNaN(float64(values[0])) || math.IsInf(float64(values[0]), 0) {
		return 0, fmt.Errorf("alpha is %v, not one number", values)
	}
	return float64(values[0]) / float64(rank), nil
}
