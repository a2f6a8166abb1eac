package builtin

import (
	"errors"
	"maps"
	"slices"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/model"
)

// maxOpenLoRAs is how many adapters stay in memory, those of one request aside.
const maxOpenLoRAs = 16

// useVAE puts the spec's VAE, or the model's own, into the pipeline and returns its digest if it is another.
func (r *Runtime) useVAE(spec api.ImageSpec) (string, error) {
	if spec.VAE == "" {
		r.vae = ""
		return "", r.pipeline.UseVAE(nil)
	}
	i := slices.IndexFunc(r.vaes, func(v model.VAE) bool { return v.Name == spec.VAE })
	if i < 0 {
		return "", r.info.Check(spec)
	}
	v := r.vaes[i]
	if r.vae != v.Digest {
		if err := r.pipeline.UseVAE(v.Files); err != nil {
			if errors.Is(err, errUnfit) { // no other node can help
				return "", api.Errorf(api.CodeInvalidRequest, "vae: got %s, %v", v.Name, err)
			}
			return "", api.Errorf(api.CodeModelBroken, "vae %s: %v", v.Name, err)
		}
		r.vae = v.Digest
	}
	return v.Digest, nil
}

// adapt makes exactly the spec's LoRAs active.
func (r *Runtime) adapt(spec api.ImageSpec) (map[string]string, error) {
	e := r.library[slices.IndexFunc(r.library, func(e entry) bool { return e.model.Name == spec.Model })]
	digests, used := map[string]string{}, map[string]bool{}
	var weighted []WeightedLoRA
	for i, l := range spec.LoRAs {
		at := slices.IndexFunc(e.loras, func(f model.LoRA) bool { return f.Name == l.Name })
		if at < 0 {
			return nil, r.info.Check(spec)
		}
		lora, err := r.open(e.loras[at])
		if err != nil {
			return nil, api.Errorf(api.CodeModelBroken, "loras[%d] %s: %v", i, l.Name, err)
		}
		digests[l.Name] = e.loras[at].Digest
		used[e.loras[at].Digest] = true
		weighted = append(weighted, WeightedLoRA{LoRA: lora, Weight: l.Weight})
	}
	if len(r.loras) > maxOpenLoRAs {
		maps.DeleteFunc(r.loras, func(digest string, _ *LoRA) bool { return !used[digest] })
	}
	if err := r.pipeline.SetLoRAs(weighted); err != nil {
		return nil, api.Errorf(api.CodeLoRAIncompatible, "loras: %v", err)
	}
	return digests, nil
}

func (r *Runtime) open(f model.LoRA) (*LoRA, error) {
	if l, ok := r.loras[f.Digest]; ok {
		return l, nil
	}
	l, err := OpenLoRA(f.Files, f.Path)
	if err == nil {
		r.loras[f.Digest] = l
	}
	return l, err
}
