package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/gpu"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/fake"
)

// runtimes are the engines this binary can be the child for.
var runtimes = map[string]func(runtimeFlags) (runner.Runtime, error){
	"builtin": func(f runtimeFlags) (runner.Runtime, error) {
		return builtin.New(builtin.Options{ModelDirs: f.modelDirs, LoRADirs: f.loraDirs})
	},
	"fake": func(f runtimeFlags) (runner.Runtime, error) {
		return fake.New(fake.Options{StepTime: f.stepTime}), nil
	},
}

// runtimeFlags are what a runtime can be told at its start.
type runtimeFlags struct {
	stepTime            time.Duration
	modelDirs, loraDirs []string
}

func (f *runtimeFlags) register(set *pflag.FlagSet) {
	set.StringArrayVar(&f.modelDirs, "model-dir", nil, "`DIR` of another Stable Diffusion 1.x model in diffusers format; may be repeated")
	set.StringArrayVar(&f.loraDirs, "lora-dir", nil, "`DIR` of LoRA files (*.safetensors); may be repeated")
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
	return args
}

// childCommand is how to start this binary as a runtime.
func childCommand(name string, flags runtimeFlags) ([]string, error) {
	if _, ok := runtimes[name]; !ok {
		return nil, usageError{fmt.Errorf("--runtime: got %s, want one of %s", api.Quote(name), strings.Join(runtimeNames(), ", "))}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return append([]string{self, "runtime", "serve", name}, flags.arguments()...), nil
}

func runtimeCommand() *cobra.Command {
	c := &cobra.Command{Use: "runtime", Short: "The runtimes of this machine", Hidden: true}
	var flags runtimeFlags
	serve := &cobra.Command{
		Use:     "serve NAME",
		Short:   "Be a runtime: JSON lines on stdin and stdout (docs/protocol.md)",
		Example: "  easel runtime serve builtin",
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			make, ok := runtimes[args[0]]
			if !ok {
				return usageError{fmt.Errorf("runtime: got %s, want one of %s", api.Quote(args[0]), strings.Join(runtimeNames(), ", "))}
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
	c.AddCommand(serve)
	return c
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
