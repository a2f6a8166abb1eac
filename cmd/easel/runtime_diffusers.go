package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/diffusers"
)

func diffusersFlags(own *pflag.FlagSet) starter {
	var o diffusers.Options
	own.StringVar(&o.Device, "device", "", "device for the diffusers runtime: auto, cuda, mps or cpu (or EASEL_DEVICE)")
	own.StringVar(&o.DType, "dtype", "", "precision for the diffusers runtime: auto, float32, float16 or bfloat16")
	own.IntVar(&o.Threads, "threads", 0, "processor threads for the diffusers runtime (default: one per core)")
	own.BoolVar(&o.Compile, "compile", false, "let the diffusers runtime compile the model: the first picture is slow, later ones are faster")
	return starter{command: func(dirs modelDirs) ([]string, error) { return diffusersCommand(o, dirs) }}
}

func diffusersCommand(o diffusers.Options, dirs modelDirs) ([]string, error) {
	err := cmp.Or(oneOf("device", o.Device, "auto", "cuda", "mps", "cpu"), oneOf("dtype", o.DType, "auto", "float32", "float16", "bfloat16"))
	if err != nil {
		return nil, err
	}
	if o.Python, err = diffusersPython(); err != nil {
		return nil, err
	}
	if o.Data, err = runtimeHome("diffusers"); err != nil {
		return nil, err
	}
	o.Shipped = []diffusers.Shipped{{Name: builtin.ShippedModel, Files: builtin.Shipped(), LoRAs: builtin.ShippedLoRAs()}}
	o.ModelDirs, o.LoRADirs, o.VAEDirs = dirs.models, dirs.loras, dirs.vaes
	return diffusers.Command(o)
}

// oneOf refuses a flag's value that is none of those allowed; empty means the default.
func oneOf(flag, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return usageError{fmt.Errorf("--%s: got %s, want one of %s", flag, api.Quote(value), strings.Join(allowed, ", "))}
}

// diffusersPython is the interpreter of the installed environment, or the one EASEL_PYTHON names.
func diffusersPython() (string, error) {
	if python := os.Getenv("EASEL_PYTHON"); python != "" {
		return python, nil
	}
	home, err := runtimeHome("diffusers")
	if err != nil {
		return "", err
	}
	environment, err := diffusers.Find(home)
	return environment.Python(), err
}
