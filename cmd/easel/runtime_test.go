package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// parsed are the flags of a command line.
func parsed(t *testing.T, arguments ...string) runtimeFlags {
	t.Helper()
	var f runtimeFlags
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.register(set)
	if err := set.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryRuntimeIsDescribed(t *testing.T) {
	names := runtimeNames()
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(runtimes) {
		t.Errorf("the names are %v", names)
	}
	for _, d := range runtimes {
		s := d.start(unsorted())
		if (s.serve == nil) == (s.command == nil) {
			t.Errorf("%s is not started in exactly one way", d.name)
		}
		if d.about == "" || strings.Contains(d.about, "\n") {
			t.Errorf("%s is about %q", d.name, d.about)
		}
		if (d.install == nil) != (d.missing == nil) || (d.install != nil) != (s.command != nil) {
			t.Errorf("%s: what is no part of this binary can be installed and can be missing, and nothing else can", d.name)
		}
		if _, ok := findRuntime(d.reference); d.reference != "" && !ok {
			t.Errorf("%s is compared with %s, which does not exist", d.name, d.reference)
		}
	}
}

func TestChildGetsTheFlagsThatWereGiven(t *testing.T) {
	for _, test := range []struct {
		runtime, flags, want string
	}{
		{"builtin", "", "runtime serve builtin"},
		{"builtin", "--model-dir a --model-dir=b,c --vae-dir d", "runtime serve builtin --model-dir=a --model-dir=b,c --vae-dir=d"},
		{"builtin", "--fake-step-time 3s", "runtime serve builtin"},
		{"fake", "--lora-dir a --fake-step-time 3s", "runtime serve fake --lora-dir=a --fake-step-time=3s"},
	} {
		t.Run(test.runtime+" "+test.flags, func(t *testing.T) {
			command, err := childCommand(test.runtime, parsed(t, strings.Fields(test.flags)...))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(command[1:], " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestFlagsOfAnotherRuntimeAreRefused(t *testing.T) {
	const want = "--device, --dtype, --threads and --compile are for --runtime diffusers, not for builtin"
	for _, flag := range []string{"--device=cpu", "--dtype=float16", "--threads=2", "--compile"} {
		_, err := childCommand("builtin", parsed(t, flag))
		if _, ok := errors.AsType[usageError](err); !ok || err.Error() != want {
			t.Errorf("%s: got %v", flag, err)
		}
	}
}
