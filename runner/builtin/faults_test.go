package builtin

import (
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// directory copies a pipeline of the test data into memory, for tests that damage it.
func directory(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	from := os.DirFS("testdata/" + name)
	out := fstest.MapFS{}
	err := fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, path)
		out[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// edit sets a field of a JSON file; nil takes it out.
func edit(t testing.TB, files fstest.MapFS, path, field string, value any) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(files[path].Data, &fields); err != nil {
		t.Fatal(err)
	}
	if fields[field] = value; value == nil {
		delete(fields, field)
	}
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	files[path] = &fstest.MapFile{Data: data}
}

func refused(t *testing.T, files fs.FS, want ...string) {
	t.Helper()
	_, err := Open(files)
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("the error is %v, want one with %q", err, w)
		}
	}
}

func TestWhatIsNotImplementedIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		path, field string
		value       any
	}{
		{"model_index.json", "_class_name", "StableDiffusionXLPipeline"},
		{"model_index.json", "unet", []string{"diffusers", "UNet2DModel"}},
		{"model_index.json", "vae", nil},
		{"model_index.json", "text_encoder", []string{"transformers", "CLIPTextModelWithProjection"}},
		{"unet/config.json", "down_block_types", []string{"DownBlock2D", "AttnDownBlock2D", "DownBlock2D"}},
		{"unet/config.json", "up_block_types", []string{"UpBlock2D"}},
		{"unet/config.json", "mid_block_type", "UNetMidBlock2D"},
		{"unet/config.json", "act_fn", "mish"},
		{"unet/config.json", "class_embed_type", "timestep"},
		{"unet/config.json", "addition_embed_type", "text_time"},
		{"unet/config.json", "resnet_time_scale_shift", "scale_shift"},
		{"unet/config.json", "only_cross_attention", true},
		{"unet/config.json", "dual_cross_attention", true},
		{"unet/config.json", "cross_attention_dim", []int{20, 20, 16}},
		{"unet/config.json", "attention_head_dim", 5},
		{"unet/config.json", "attention_head_dim", []int{1, 2}},
		{"unet/config.json", "attention_head_dim", -1},
		{"unet/config.json", "norm_num_groups", 5},
		{"unet/config.json", "block_out_channels", []int{}},
		{"unet/config.json", "block_out_channels", []int{12, 18, 1 << 30}},
		{"unet/config.json", "block_out_channels", "wide"},
		{"unet/config.json", "layers_per_block", 1e9},
		{"unet/config.json", "in_channels", 0},
		{"unet/config.json", "conv_in_kernel", 5},
		{"vae/config.json", "_class_name", "AutoencoderTiny"},
		{"vae/config.json", "up_block_types", []string{"UpDecoderBlock2D", "AttnUpDecoderBlock2D", "UpDecoderBlock2D"}},
		{"vae/config.json", "up_block_types", []string{"UpDecoderBlock2D"}},
		{"vae/config.json", "scaling_factor", 0},
		{"vae/config.json", "norm_num_groups", 4},
		{"vae/config.json", "latents_mean", []float64{0}},
		{"text_encoder/config.json", "hidden_act", "relu"},
		{"text_encoder/config.json", "num_attention_heads", 3},
		{"text_encoder/config.json", "model_type", "t5"},
		{"scheduler/scheduler_config.json", "beta_schedule", "sigmoid"},
	} {
		t.Run(c.path+" "+c.field, func(t *testing.T) {
			files := directory(t, "first")
			edit(t, files, c.path, c.field, c.value)
			refused(t, files, c.path, c.field)
		})
	}
}

func TestWeightsThatDoNotFitAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		path, field string
		value       any
		want        string
	}{
		{"unet/config.json", "block_out_channels", []int{12, 18, 42}, "the configuration needs"},
		{"unet/config.json", "layers_per_block", 2, "more faults"},
		{"vae/config.json", "latent_channels", 8, "decoder.conv_in.weight"},
		{"vae/config.json", "layers_per_block", 2, "missing"},
		{"text_encoder/config.json", "num_hidden_layers", 3, "encoder.layers.2"},
		{"text_encoder/config.json", "vocab_size", 1000, "token_embedding"},
		{"tokenizer/tokenizer_config.json", "model_max_length", 78, "tokens"},
	} {
		t.Run(c.path+" "+c.field, func(t *testing.T) {
			files := directory(t, "first")
			edit(t, files, c.path, c.field, c.value)
			refused(t, files, c.want)
		})
	}
	mixed := directory(t, "first")
	for path, file := range directory(t, "second") {
		if strings.HasPrefix(path, "text_encoder/") {
			mixed[path] = file
		}
	}
	refused(t, mixed, "do not fit", "20")
}

func TestMissingAndDamagedFilesAreErrors(t *testing.T) {
	whole := directory(t, "first")
	for _, path := range slices.Sorted(maps.Keys(whole)) {
		if path == "tokenizer/special_tokens_map.json" {
			continue // its content has other homes
		}
		t.Run("without "+path, func(t *testing.T) {
			files := maps.Clone(whole)
			delete(files, path)
			if _, err := Open(files); err == nil {
				t.Error("the pipeline was opened")
			}
		})
		t.Run("half of "+path, func(t *testing.T) {
			files := maps.Clone(whole)
			data := files[path].Data
			files[path] = &fstest.MapFile{Data: data[:len(data)/2]}
			if _, err := Open(files); err == nil && path != "tokenizer/merges.txt" {
				t.Error("the pipeline was opened")
			}
		})
	}
}

// pack writes a safetensors file of zeros in F16.
func pack(t testing.TB, shapes map[string][]int, metadata map[string]string) fs.FS {
	t.Helper()
	header, at := map[string]any{}, 0
	if metadata != nil {
		header["__metadata__"] = metadata
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		size := 2
		for _, side := range shapes[name] {
			size *= side
		}
		header[name] = map[string]any{"dtype": "F16", "shape": shapes[name], "data_offsets": []int{at, at + size}}
		at += size
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	return fstest.MapFS{"l.safetensors": {Data: append(data, make([]byte, at)...)}}
}

func TestBadLoRAsAreRefusedByKey(t *testing.T) {
	const q = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
	for _, c := range []struct {
		name     string
		shapes   map[string][]int
		metadata map[string]string
		want     string
	}{
		{"nothing", map[string][]int{}, nil, "no layers"},
		{"weights of a model", map[string][]int{"conv_in.weight": {4, 4, 3, 3}}, nil, "conv_in.weight"},
		{"DoRA", map[string][]int{q + ".lora_magnitude_vector": {4}}, nil, "lora_magnitude_vector"},
		{"LoHa", map[string][]int{"lora_unet_conv_in.hada_w1_a": {4, 4}}, nil, "hada_w1_a"},
		{"Tucker", map[string][]int{"lora_unet_conv_in.lora_mid.weight": {4, 4, 3, 3}}, nil, "lora_mid"},
		{"half", map[string][]int{q + ".lora_A.weight": {2, 21}}, nil, "missing"},
		{"alpha alone", map[string][]int{"lora_unet_conv_in.alpha": {}}, nil, "missing"},
		{"two ranks", map[string][]int{q + ".lora_A.weight": {2, 21}, q + ".lora_B.weight": {21, 3}}, nil, "rank"},
		{"no rank", map[string][]int{q + ".lora_A.weight": {0, 21}, q + ".lora_B.weight": {21, 0}}, nil, "rank"},
		{"three sides", map[string][]int{q + ".lora_A.weight": {2, 21, 1}, q + ".lora_B.weight": {21, 2, 1}}, nil, "shapes"},
		{"wide up", map[string][]int{"lora_unet_conv_in.lora_down.weight": {2, 4, 3, 3}, "lora_unet_conv_in.lora_up.weight": {12, 2, 3, 3}}, nil, "shapes"},
		{"two alphas", map[string][]int{q + ".lora_A.weight": {2, 21}, q + ".lora_B.weight": {21, 2}, q + ".alpha": {2}}, nil, "alpha"},
		{"one matrix in two spellings", map[string][]int{q + ".lora_A.weight": {2, 21}, q + ".lora_B.weight": {21, 2}, q + ".lora_down.weight": {2, 21}}, nil, "to_q.lora_down.weight repeats"},
		{"metadata", map[string][]int{q + ".lora_A.weight": {2, 21}}, map[string]string{"lora_adapter_metadata": "["}, "lora_adapter_metadata"},
		{"metadata of DoRA", map[string][]int{q + ".lora_A.weight": {2, 21}}, map[string]string{"lora_adapter_metadata": `{"unet.use_dora": true}`}, "use_dora"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := OpenLoRA(pack(t, c.shapes, c.metadata), "l.safetensors")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := OpenLoRA(fstest.MapFS{}, "l.safetensors"); err == nil {
		t.Error("a missing file was opened")
	}
}

func TestEveryNamingOfALayerIsUnderstood(t *testing.T) {
	const layer = "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0"
	for key, want := range map[string]address{
		"lora_unet_" + layer + ".lora_down.weight":                                                  {"unet", layer},
		"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight":             {"unet", layer},
		"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.default.weight":     {"unet", layer},
		"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora.down.weight":          {"unet", layer},
		"unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight":  {"unet", layer},
		"base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight": {"unet", layer},
		"mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight":                  {"unet", layer},
		"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight":                              {"text_encoder", "encoder_layers_0_mlp_fc1"},
		"text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight":                            {"text_encoder", "encoder_layers_0_mlp_fc1"},
		"text_encoder.encoder.layers.0.mlp.fc1.lora_A.weight":                                       {"text_encoder", "encoder_layers_0_mlp_fc1"},
		"text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight":   {"text_encoder", "encoder_layers_0_self_attn_q_proj"},
	} {
		got, role, err := parseKey(key)
		if err != nil || got != want || role != roleDown {
			t.Errorf("%s is %v, role %d, %v", key, got, role, err)
		}
	}
}

func TestScaleComesFromWhereTheAdapterKeepsIt(t *testing.T) {
	const key = "conv_in"
	shapes := map[string][]int{key + ".lora_A.weight": {4, 4, 3, 3}, key + ".lora_B.weight": {12, 4, 1, 1}}
	beside := func(config string) fs.FS {
		file, err := fs.ReadFile(pack(t, shapes, nil), "l.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		return fstest.MapFS{"a/adapter_model.safetensors": {Data: file}, "a/adapter_config.json": {Data: []byte(config)}}
	}
	for _, c := range []struct {
		name  string
		files fs.FS
		path  string
		want  float64
	}{
		{"nowhere", pack(t, shapes, nil), "l.safetensors", 1},
		{"metadata", pack(t, shapes, map[string]string{"lora_adapter_metadata": `{"unet.lora_alpha": 8, "unet.r": 4}`}), "l.safetensors", 2},
		{"beside", beside(`{"lora_alpha": 2, "peft_type": "LORA"}`), "a/adapter_model.safetensors", 0.5},
		{"beside, by the root", beside(`{"lora_alpha": 2, "use_rslora": true}`), "a/adapter_model.safetensors", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := OpenLoRA(c.files, c.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.modules[0].scale; got != c.want {
				t.Errorf("the scale is %g, want %g", got, c.want)
			}
		})
	}
	if _, err := OpenLoRA(beside(`{"use_dora": true}`), "a/adapter_model.safetensors"); err == nil {
		t.Error("DoRA was opened")
	}
}
