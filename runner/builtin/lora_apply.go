package builtin

import (
	"fmt"
	"math"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/nn"
)

// WeightedLoRA is an adapter and how strongly it acts; 1 is as trained, 0 not at all, negative the opposite.
type WeightedLoRA struct {
	LoRA   *LoRA
	Weight float64
}

// SetLoRAs makes exactly these adapters active, none for the base model; it replaces earlier ones. The
// changed weights are always made from the loaded ones, so going back gives the base model to the bit. Nothing
// changes when an adapter does not fit; the error names its first key that does not.
func (p *Pipeline) SetLoRAs(loras []WeightedLoRA) error {
	loras = summed(loras)
	if slices.Equal(loras, p.active) {
		return nil
	}
	changes := map[*nn.Dense][]nn.Change{}
	layers := p.layers()
	for _, l := range loras {
		if l.LoRA == nil || math.IsNaN(l.Weight) || math.IsInf(l.Weight, 0) {
			return fmt.Errorf("the LoRA weight %g is not a number to multiply with", l.Weight)
		}
		if err := l.addTo(changes, layers); err != nil {
			return fmt.Errorf("LoRA %s: %w", l.LoRA.name, err)
		}
	}
	for _, layer := range layers {
		if err := layer.Change(changes[layer]); err != nil {
			return err
		}
	}
	p.active = slices.Clone(loras)
	return nil
}

// summed adds up the weights of one adapter under several names: with 1 and -1 nothing must be left of it,
// not even rounding.
func summed(loras []WeightedLoRA) []WeightedLoRA {
	var sums []WeightedLoRA
	for _, l := range loras {
		i := slices.IndexFunc(sums, func(s WeightedLoRA) bool { return s.LoRA == l.LoRA })
		if i < 0 {
			sums = append(sums, l)
			continue
		}
		sums[i].Weight += l.Weight
	}
	return sums
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
func (l WeightedLoRA) addTo(changes map[*nn.Dense][]nn.Change, layers map[address]*nn.Dense) error {
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
		changes[layer] = append(changes[layer], nn.Change{Up: m.up, Down: m.down, Rank: m.rank, Factor: float32(l.Weight * m.scale)})
	}
	return nil
}
