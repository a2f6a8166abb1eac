// Package textencoder turns token ids into the states that steer the UNet, with transformers' CLIPTextModel
// (Radford et al. 2021, arXiv:2103.00020).
package textencoder

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/easelgrid/easel/runner/builtin/config"
	"github.com/easelgrid/easel/runner/builtin/nn"
	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// Config is the part of text_encoder/config.json that shapes the model.
type Config struct {
	Vocabulary, Positions int
	Width, Wide           int // of the states, and inside the feed-forward layers
	Layers, Heads         int
	Epsilon               float64
	Activation            nn.Activation
}

// ReadConfig reads text_encoder/config.json.
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return Config{}, err
	}
	f.Only("architectures", []string{"CLIPTextModel"})
	f.Only("model_type", "clip_text_model", "clip")
	f.Only("use_attention_mask", false)
	c := Config{
		Vocabulary: f.Int("vocab_size", 49408, 1, 1<<22),
		Positions:  f.Int("max_position_embeddings", 77, 2, 1<<16),
		Width:      f.Int("hidden_size", 512, 1, 16384),
		Wide:       f.Int("intermediate_size", 2048, 1, 1<<17),
		Layers:     f.Int("num_hidden_layers", 12, 1, 128),
		Heads:      f.Int("num_attention_heads", 8, 1, 16384),
		Epsilon:    f.Float("layer_norm_eps", 1e-5),
	}
	if c.Activation, err = nn.ActivationNamed(f.String("hidden_act", "quick_gelu")); err != nil {
		f.Fault("hidden_act", "%w", err)
	}
	if c.Width%c.Heads != 0 {
		f.Fault("num_attention_heads", "%d channels do not divide into %d heads", c.Width, c.Heads)
	}
	return c, f.Err()
}

// Model is a loaded text encoder. It is not safe for concurrent use.
type Model struct {
	Config    Config
	kept      int
	weights   map[string]*nn.Dense
	tokens    []float32 // one row per token
	positions []float32 // one row per position
	layers    []*layer
	norm      *nn.LayerNorm
}

// Open loads the model from a directory with config.json and model.safetensors.
func Open(fsys fs.FS, dir string) (*Model, error) {
	c, err := ReadConfig(fsys, path.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	file, err := safetensors.Open(fsys, path.Join(dir, "model.safetensors"))
	if err != nil {
		return nil, err
	}
	// Some versions of transformers write this prefix, others do not.
	w := nn.NewWeights(file, nn.Prefix(file, "text_model."))
	m := &Model{
		Config:    c,
		tokens:    w.Floats("embeddings.token_embedding.weight", c.Vocabulary, c.Width),
		positions: w.Floats("embeddings.position_embedding.weight", c.Positions, c.Width),
		norm:      w.LayerNorm("final_layer_norm", c.Width, c.Epsilon),
	}
	for i := range c.Layers {
		m.layers = append(m.layers, newLayer(w, nn.Indexed("encoder.layers", i), c))
	}
	m.weights, m.kept = w.Layers(), w.Kept()
	if err := w.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Layers returns the layers that a LoRA can change, by their path without the prefix "text_model.".
func (m *Model) Layers() map[string]*nn.Dense { return m.weights }

// Kept returns the number of floats that the weights take in memory. While a layer is changed, it takes twice its part.
func (m *Model) Kept() int { return m.kept }

// Forward encodes sequences of equal length, at most Positions, to states (N, 1, T, Width). It leaves out the last
// skip layers, as diffusers counts clip_skip, but never the final normalisation. The result is lent from a.
func (m *Model) Forward(a *nn.Arena, sequences [][]int, skip int) (nn.Tensor, error) {
	if skip < 0 || skip > len(m.layers) {
		return nn.Tensor{}, fmt.Errorf("leaving out %d of the text encoder's %d layers is not possible", skip, len(m.layers))
	}
	x := a.Tensor(len(sequences), 1, len(sequences[0]), m.Config.Width)
	for n, ids := range sequences {
		if err := m.embed(x.Data[n*x.W*x.C:(n+1)*x.W*x.C], ids, x.W); err != nil {
			return nn.Tensor{}, err
		}
	}
	for _, l := range m.layers[:len(m.layers)-skip] {
		l.forward(a, x)
	}
	return m.norm.Forward(a, x), nil
}

// embed adds up the rows of tokens and positions.
func (m *Model) embed(dst []float32, ids []int, length int) error {
	if len(ids) != length || length > m.Config.Positions {
		return fmt.Errorf("a sequence of %d tokens, want %d and at most %d", len(ids), length, m.Config.Positions)
	}
	width := m.Config.Width
	for t, id := range ids {
		if id < 0 || id >= m.Config.Vocabulary {
			return fmt.Errorf("the token id %d is outside of the vocabulary of %d", id, m.Config.Vocabulary)
		}
		row := dst[t*width : (t+1)*width]
		copy(row, m.tokens[id*width:(id+1)*width])
		for i, v := range m.positions[t*width : (t+1)*width] {
			row[i] += v
		}
	}
	return nil
}
