package builtin

import (
	"fmt"
	"math"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/nn"
)

// WeightedLoRA is an adapter and how strongly it acts; 1 is as trained, 0 not at all, negative the opposite.
type WeightedLoRA struct {
	LoRA   *LoRA
	Weight float64
}

// SetLoRAs makes exactly these adapters active, none for the base model; it replaces earlier ones. The
// changed weights are always made from the stored ones, so going back gives the base model to the bit. Nothing
// changes when an adapter does not fit; the error names its first key that does not.
func (p *Pipeline) SetLoRAs(loras []WeightedLoRA) error {
	if slices.Equal(loras, p.active) {
		return nil
	}
	deltas := map[*nn.Dense][]float32{}
	layers := p.layers()
	for _, l := range loras {
		if l.LoRA == nil || math.IsNaN(l.Weight) || math.IsInf(l.Weight, 0) {
			return fmt.Errorf("the LoRA weight %g is not a number to multiply with", l.Weight)
		}
		if err := l.addTo(deltas, layers); err != nil {
			return fmt.Errorf("LoRA %s: %w", l.LoRA.name, err)
		}
	}
	for _, layer := range layers {
		if err := change(layer, deltas[layer]); err != nil {
			return err
		}
	}
	p.active = slices.Clone(loras)
	return nil
}

func change(layer *nn.Dense, delta []float32) error {
	if delta == nil {
		return layer.Restore()
	}
	return layer.Merge(delta)
}

// layers are the pipeline's layers by address.
func (p *Pipeline) layers() map[address]*nn.Dense {
	all := map[address]*nn.Dense{}
	for path, layer := range p.unet.Layers() {
		all[address{"unet", flatten(path)}] = layer
	}
	for path, layer := range p.text.Layers() {
		all[address{"text_encoder", flatten(path)}] = layer
	}
	return all
}

// addTo checks every module, also with weight 0, and adds its change to the layer's.
func (l WeightedLoRA) addTo(deltas map[*nn.Dense][]float32, layers map[address]*nn.Dense) error {
	for _, m := range l.LoRA.modules {
		layer, ok := layers[address{m.part, m.layer}]
		if !ok {
			return fmt.Errorf("the model has no layer for the key %s", m.key)
		}
		if m.in != layer.In || m.out != layer.Out || m.kernel != layer.Kernel {
			return fmt.Errorf("the key %s is for a layer of %d to %d channels with kernel %d, the model's has %d to %d with %d",
				m.key, m.in, m.out, m.kernel, layer.In, layer.Out, layer.Kernel)
		}
		if l.Weight == 0 {
			continue
		}
		if deltas[layer] == nil {
			deltas[layer] = make([]float32, m.out*m.in*m.kernel*m.kernel)
		}
		m.addTo(deltas[layer], l.Weight)
	}
	return nil
}

// addTo adds weight * scale * up * down.
func (m module) addTo(delta []float32, weight float64) {
	columns := m.in * m.kernel * m.kernel
	product := make([]float32, m.out*columns)
	down := matrix.New(matrix.Dense(m.down, m.rank, columns), false)
	matrix.Multiply(matrix.Dense(product, m.out, columns), matrix.Dense(m.up, m.out, m.rank), down, nil)
	factor := float32(weight * m.scale)
	for i, x := range product {
		delta[i] += factor * x
	}
}
