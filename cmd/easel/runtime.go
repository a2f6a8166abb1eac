package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/gpu"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/diffusers"
	"github.com/easelgrid/easel/runner/fake"
)

// runtimes are the engines this binary can be the child for.
var runtimes = map[string]func(runtimeFlags) (runner.Runtime, error){
	"builtin": func(f runtimeFlags) (runner.Runtime, error) {
		return builtin.New(builtin.Options{ModelDirs: f.modelDirs, LoRADirs: f.loraDirs, VAEDirs: f.vaeDirs})
	},
	"fake": func(f runtimeFlags) (runner.Runtime, error) {
		return fake.New(fake.Options{StepTime: f.stepTime}), nil
	},
}

// programs are the engines that are programs of their own.
var programs = map[string]func(runtimeFlags) ([]string, error){
	"diffusers": func(f runtimeFlags) ([]string, error) {
		python, err := diffusersPython()
		if err != nil {
			return nil, err
		}
		home, err := runtimeHome("diffusers")
		if err != nil {
			return nil, err
		}
		return diffusers.Command(diffusers.Options{
			Python: python, Data: home,
			Shipped:   []diffusers.Shipped{{Name: builtin.ShippedModel, Files: builtin.Shipped(), LoRAs: builtin.ShippedLoRAs()}},
			ModelDirs: f.modelDirs, LoRADirs: f.loraDirs, VAEDirs: f.vaeDirs,
			Device: f.device, DType: f.dtype, Threads: f.threads, Compile: f.compile,
		})
	},
}

// runtimeFlags are what a runtime can be told at its start.
type runtimeFlags struct {
	stepTime                     time.Duration
	modelDirs, loraDirs, vaeDirs []string

	// What only the diffusers runtime asks for.
	device, dtype string
	threads       int
	compile       bool
}

func (f *runtimeFlags) register(set *pflag.FlagSet) {
	set.StringArrayVar(&f.modelDirs, "model-dir", nil, "`DIR` of another model in diffusers format; may be repeated. For diffusers also FILE.safetensors (docs/runtimes.md)")
	set.StringArrayVar(&f.loraDirs, "lora-dir", nil, "`DIR` of LoRA files (*.safetensors); may be repeated")
	set.StringArrayVar(&f.vaeDirs, "vae-dir", nil, "`DIR` of VAEs, a directory in diffusers format each; may be repeated")
	set.StringVar(&f.device, "device", "", "of the diffusers runtime: auto, cuda, mps or cpu (or EASEL_DEVICE)")
	set.StringVar(&f.dtype, "dtype", "", "of the diffusers runtime: auto, float32, float16 or bfloat16")
	set.IntVar(&f.threads, "threads", 0, "of the processor, for the diffusers runtime (as many as cores)")
	set.BoolVar(&f.compile, "compile", false, "let the diffusers runtime compile the model: a slow first picture, faster ones after it")
	set.DurationVar(&f.stepTime, "fake-step-time", 0, "how long the fake runtime takes for a step")
	_ = set.MarkHidden("fake-step-time")
}

// arguments turns the flags into those of the child.
func (f *runtimeFlags) arguments() []string {
	args := []string{"--fake-step-time", f.stepTime.String()}
	for _, dir := range f.modelDirs {
		args = append(args, "--model-dir", dir)
	}
	for _, dir := range f.loraDirs {
		args = append(args, "--lora-dir", dir)
	}
	for _, dir := range f.vaeDirs {
		args = append(args, "--vae-dir", dir)
	}
	return args
}

// check lists what makes no sense for the runtime.
func (f *runtimeFlags) check(name string) error {
	if name != "diffusers" && (f.device != "" || f.dtype != "" || f.threads != 0 || f.compile) {
		return usageError{fmt.Errorf("--device, --dtype, --threads and --compile are for --runtime diffusers, not for %s", name)}
	}
	one := func(flag, value string, of ...string) error {
		if value == "" || slices.Contains(of, value) {
			return nil
		}
		return usageError{fmt.Errorf("--%s: got %s, want one of %s", flag, api.Quote(value), strings.Join(of, ", "))}
	}
	return cmp.Or(one("device", f.device, "auto", "cuda", "mps", "cpu"), one("dtype", f.dtype, "auto", "float32", "float16", "bfloat16"))
}

// childCommand is how to start a runtime: this binary, or a program of its own.
func childCommand(name string, flags runtimeFlags) ([]string, error) {
	_, ours := runtimes[name]
	program, foreign := programs[name]
	if !ours && !foreign {
		return nil, usageError{fmt.Errorf("--runtime: got %s, want one of %s", api.Quote(name), strings.Join(runtimeNames(), ", "))}
	}
	if err := flags.check(name); err != nil {
		return nil, err
	}
	if foreign {
		return program(flags)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return append([]string{self, "runtime", "serve", name}, flags.arguments()...), nil
}

// runtimeNames are all that --runtime takes.
func runtimeNames() []string {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(runtimes)), slices.Collect(maps.Keys(programs)))))
}

func runtimeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "runtime",
		Short:   "Install, list and check the runtimes of this machine",
		Example: "  easel runtime list\n  easel runtime install diffusers\n  easel runtime check diffusers",
	}
	group(c)
	c.AddCommand(runtimeServeCommand(), runtimeListCommand(), runtimeCheckCommand(), runtimeInstallCommand())
	return c
}

func runtimeServeCommand() *cobra.Command {
	var flags runtimeFlags
	serve := &cobra.Command{
		Use:     "serve NAME",
		Short:   "Be a runtime: JSON lines on stdin and stdout (docs/protocol.md)",
		Example: "  easel runtime serve builtin",
		Hidden:  true,
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			make, ok := runtimes[args[0]]
			if !ok {
				return usageError{fmt.Errorf("runtime: got %s, want one of %s", api.Quote(args[0]), strings.Join(slices.Sorted(maps.Keys(runtimes)), ", "))}
			}
			runtime, err := make(flags)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			if err := runner.Serve(runtime, os.Stdin, os.Stdout, log); err != nil {
				return err
			}
			os.Exit(0) // at once: a job in the making has nobody left to be made for
			return nil
		},
	}
	flags.register(serve.Flags())
	return serve
}

func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "gpu-probe",
		Short:   "Print the GPUs of this machine as JSON",
		Long:    "The agent runs this as a short-lived child, so that a driver that crashes or hangs takes nothing with it.",
		Example: "  easel gpu-probe",
		Hidden:  true,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return gpu.WriteProbe(c.OutOrStdout()) },
	}
}
