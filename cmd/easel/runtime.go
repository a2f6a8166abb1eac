package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/diffusers"
)

// runtimes are the engines that --runtime takes.
var runtimes = []descriptor{
	{name: "builtin", about: "the engine in this binary, on the processor: Stable Diffusion 1 in Go", start: builtinFlags, listed: true},
	{
		name: "diffusers", about: "Hugging Face diffusers in Python, on a GPU or the processor", start: diffusersFlags, listed: true,
		install: installDiffusers, missing: diffusers.ErrNotInstalled, reference: "builtin",
	},
	{name: "fake", about: "draws gradients and fails in the ways it is asked to, for tests", start: fakeFlags, reference: "builtin"},
}

// A descriptor is everything that the commands know of one runtime.
type descriptor struct {
	name  string
	about string // one line
	// start registers the flags that only this runtime takes, and returns how it is started with their values.
	start func(own *pflag.FlagSet) starter
	// listed runtimes are those that users have for their pictures.
	listed bool
	// install gets the runtime onto this machine; nil where it is in this binary.
	install func(*cobra.Command, installFlags) error
	// missing is the error of starting it before that; nil where it is in this binary.
	missing error
	// reference is the runtime that should draw the same picture, for runtime check; "" for none.
	reference string
}

// A starter starts a runtime. Exactly one of its functions is set.
type starter struct {
	serve   func(modelDirs) (runner.Runtime, error) // in this binary, which is then its own child
	command func(modelDirs) ([]string, error)       // a program of its own
}

// findRuntime returns the runtime of a name.
func findRuntime(name string) (descriptor, bool) {
	for _, d := range runtimes {
		if d.name == name {
			return d, true
		}
	}
	return descriptor{}, false
}

// runtimeNames are all that --runtime takes.
func runtimeNames() []string { return namesOf(func(descriptor) bool { return true }) }

func namesOf(wanted func(descriptor) bool) []string {
	var names []string
	for _, d := range runtimes {
		if wanted(d) {
			names = append(names, d.name)
		}
	}
	return names
}

// childCommand is how to start a runtime: this binary, or a program of its own.
func childCommand(name string, flags runtimeFlags) ([]string, error) {
	if _, ok := findRuntime(name); !ok {
		return nil, usageError{fmt.Errorf("--runtime: got %s, want one of %s", api.Quote(name), strings.Join(runtimeNames(), ", "))}
	}
	if err := flags.onlyFor(name); err != nil {
		return nil, err
	}
	return flags.command(name)
}

func runtimeCommand() *cobra.Command {
	long := "Install, list and check the runtimes of this machine.\n"
	for _, d := range runtimes {
		long += fmt.Sprintf("\n  %-10s %s", d.name, d.about)
	}
	c := &cobra.Command{
		Use:     "runtime",
		Short:   "Install, list and check the runtimes of this machine",
		Long:    long,
		Example: "  easel runtime list\n  easel runtime install diffusers\n  easel runtime check diffusers",
	}
	group(c)
	c.AddCommand(runtimeServeCommand(), runtimeListCommand(), runtimeCheckCommand(), runtimeInstallCommand())
	return c
}
