package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// modelDirs are the directories of this machine that every runtime with models looks into.
type modelDirs struct{ models, loras, vaes []string }

// runtimeFlags are the flags of one command that start runtimes: those that all share, and each runtime's own.
type runtimeFlags struct {
	dirs   modelDirs
	shared *pflag.FlagSet
	own    map[string]ownFlags // by runtime
}

type ownFlags struct {
	set *pflag.FlagSet
	starter
}

// register adds the flags to those of a command. It comes before any other method.
func (f *runtimeFlags) register(set *pflag.FlagSet) {
	f.shared = unsorted()
	f.shared.StringArrayVar(&f.dirs.models, "model-dir", nil, "`DIR` with another model in diffusers format, or FILE.safetensors for the diffusers runtime (docs/runtimes.md); may be repeated")
	f.shared.StringArrayVar(&f.dirs.loras, "lora-dir", nil, "`DIR` with LoRA files (*.safetensors); may be repeated")
	f.shared.StringArrayVar(&f.dirs.vaes, "vae-dir", nil, "`DIR` with VAEs, each a directory in diffusers format; may be repeated")
	set.AddFlagSet(f.shared)
	f.own = map[string]ownFlags{}
	for _, d := range runtimes {
		own := unsorted()
		f.own[d.name] = ownFlags{own, d.start(own)}
		set.AddFlagSet(own)
	}
}

// unsorted is a set of flags that are visited in the order of their registration.
func unsorted() *pflag.FlagSet {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SortFlags = false
	return set
}

// withoutFlags are those of a command on which no flag was given.
func withoutFlags() runtimeFlags {
	var f runtimeFlags
	f.register(unsorted())
	return f
}

// onlyFor refuses flags that are only for another runtime than the one named. Hidden flags do nothing there.
func (f runtimeFlags) onlyFor(name string) error {
	for _, d := range runtimes {
		var names []string
		given := false
		f.own[d.name].set.VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				names = append(names, "--"+flag.Name)
				given = given || flag.Value.String() != flag.DefValue
			}
		})
		if d.name != name && given {
			return usageError{fmt.Errorf("%s for --runtime %s, not for %s", subject(names), d.name, name)}
		}
	}
	return nil
}

// subject makes a list the subject of a sentence.
func subject(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return list(names, "and") + " are"
}

// list is names as a sentence has them: "a, b or c".
func list(names []string, conjunction string) string {
	last := len(names) - 1
	if last <= 0 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + conjunction + " " + names[last]
}

// command is how to start the runtime of that name, with its own flags and the shared ones.
func (f runtimeFlags) command(name string) ([]string, error) {
	own := f.own[name]
	if own.starter.command != nil {
		return own.starter.command(f.dirs)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return append([]string{self, "runtime", "serve", name}, append(given(f.shared), given(own.set)...)...), nil
}

// given repeats the flags that were given, as arguments for the child.
func given(set *pflag.FlagSet) []string {
	var arguments []string
	set.VisitAll(func(flag *pflag.Flag) {
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if flag.Changed {
				arguments = append(arguments, "--"+flag.Name+"="+value)
			}
		}
	})
	return arguments
}
