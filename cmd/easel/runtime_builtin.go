package main

import (
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
)

// builtinFlags registers none: the engine takes only the flags that all share.
func builtinFlags(*pflag.FlagSet) starter {
	return starter{serve: func(dirs modelDirs) (runner.Runtime, error) {
		return builtin.New(builtin.Options{ModelDirs: dirs.models, LoRADirs: dirs.loras, VAEDirs: dirs.vaes})
	}}
}
