// Package diffusers runs Stable Diffusion 1 and 2, SDXL, SD3 and Flux on Hugging Face diffusers: a Python worker, which
// this package carries, unpacks and starts. The worker speaks the protocol of package runner; docs/runtimes.md
// has what it can do.
package diffusers

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
)

// Options are which Python runs the worker, and its arguments.
type Options struct {
	// Python is the interpreter that has the packages of the lock file.
	Python string
	// Data is the directory for what is unpacked and remembered.
	Data string
	// Shipped are models from the binary, which come first.
	Shipped []Shipped
	// ModelDirs are pipeline directories, or FILE.safetensors beside a directory FILE of configurations.
	ModelDirs []string
	// LoRADirs hold NAME.safetensors files, VAEDirs those or NAME directories.
	LoRADirs, VAEDirs []string
	// Device is "auto", "cuda", "mps" or "cpu"; empty for auto, or the value of EASEL_DEVICE.
	Device string
	// DType is "auto", "float32", "float16" or "bfloat16"; empty for auto.
	DType string
	// Threads of the processor; 0 for as many as PyTorch thinks right.
	Threads int
	// Compile the denoiser with torch.compile.
	Compile bool
}

// Shipped is a model in the binary with the LoRAs that only it is offered.
type Shipped struct {
	Name         string
	Files, LoRAs fs.FS
}

// Command unpacks the worker and the shipped models, and returns how to start the worker.
func Command(o Options) (arguments []string, err error) {
	if o.Python == "" {
		return nil, errors.New("the diffusers runtime has no Python")
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	worker, err := unpack(filepath.Join(data, "worker"), "worker", Worker())
	if err != nil {
		return nil, fmt.Errorf("unpack the worker: %w", err)
	}
	// Isolated from the user's packages and PYTHON variables, unbuffered, and writing nothing beside the files.
	arguments = []string{o.Python, "-I", "-u", "-B", filepath.Join(worker, "__main__.py"), "--cache-dir", data}
	for _, s := range o.Shipped {
		more, err := s.arguments(data)
		if err != nil {
			return nil, fmt.Errorf("unpack model %s: %w", s.Name, err)
		}
		arguments = append(arguments, more...)
	}
	return append(arguments, o.arguments()...), nil
}

// arguments unpacks the model. Its LoRAs lie beside and not inside: the digest of a model is over its directory.
func (s Shipped) arguments(data string) ([]string, error) {
	dir, err := unpack(filepath.Join(data, "models"), s.Name, s.Files)
	if err != nil || s.LoRAs == nil {
		return []string{"--model-dir", dir}, err
	}
	loras, err := unpack(filepath.Join(data, "models"), s.Name+"-loras", s.LoRAs)
	return []string{"--model-dir", dir, "--own-lora-dir", s.Name + "=" + loras}, err
}

func (o Options) arguments() []string {
	var arguments []string
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				arguments = append(arguments, flag, v)
			}
		}
	}
	add("--model-dir", o.ModelDirs...)
	add("--lora-dir", o.LoRADirs...)
	add("--vae-dir", o.VAEDirs...)
	add("--device", o.Device)
	add("--dtype", o.DType)
	if o.Threads > 0 {
		add("--threads", strconv.Itoa(o.Threads))
	}
	if o.Compile {
		arguments = append(arguments, "--compile")
	}
	return slices.Clip(arguments)
}
