package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/disk"
	"github.com/easelgrid/easel/runner"
)

func renderCommand() *cobra.Command {
	var (
		flags   imageFlags
		runtime string
		options runtimeFlags
	)
	c := &cobra.Command{
		Use:   "render --prompt TEXT -o FILE.png",
		Short: "Make pictures on this machine, without a network",
		Long: `Starts one local runtime, makes the pictures and writes them as PNG, JPEG or WebP files, which
carry the parameters they were made with. The same seed gives the same file.`,
		Example: `  easel render --prompt "a red circle on a blue background" -o circle.png
  easel render --prompt "a large yellow star on a black background" --lora outline:1 --seed 3 -o star.png
  easel render --prompt "a blue circle on a white background" --scheduler LCMScheduler -o quick.webp
  easel render --prompt "a green square on a blue background" --init circle.png --mask mask.png -o square.png`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			request, err := flags.build()
			if err != nil {
				return err
			}
			return render(c.Context(), c.OutOrStdout(), &flags, request, runtime, options)
		},
	}
	flags.register(c.Flags())
	options.register(c.Flags())
	c.Flags().StringVar(&runtime, "runtime", "builtin", list(runtimeNames(), "or"))
	return c
}

// rendered is what render prints with --json.
type rendered struct {
	Spec   api.ImageSpec `json:"spec"`
	Images []imageFile   `json:"images"`
	Made   runner.Made   `json:"made"`
}

type imageFile struct {
	File   string `json:"file"`
	Seed   int64  `json:"seed"`
	SHA256 string `json:"sha256"`
}

func render(ctx context.Context, out io.Writer, flags *imageFlags, request api.JobRequest, runtime string, options runtimeFlags) error {
	command, err := childCommand(runtime, options)
	if err != nil {
		return err
	}
	process, err := runner.Start(ctx, runner.Options{Command: command})
	if err != nil {
		return err
	}
	defer process.Stop(context.WithoutCancel(ctx))
	spec, err := localSpec(request, process.Runtime())
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "easel-render-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	for _, body := range [][]byte{request.InitImage, request.MaskImage} {
		if in, err := api.ReadInput(body); err == nil { // a faulty one has not come this far
			if err := os.WriteFile(filepath.Join(scratch, in.FileName()), body, 0o600); err != nil {
				return err
			}
		}
	}
	result := rendered{Spec: spec}
	progress := newBar("easel")
	defer progress.clear()
	result.Made, err = process.Generate(ctx, spec, scratch, 0, runner.Watch{
		Progress: progress.show,
		Image: func(path string, image api.Image) error {
			target := flags.path(image.Index, spec.N)
			result.Images = append(result.Images, imageFile{target, image.Seed, image.SHA256})
			return copyFile(target, path)
		},
	})
	if err != nil {
		return err
	}
	progress.clear()
	if flags.printJSON {
		return writeJSON(out, result)
	}
	for _, i := range result.Images {
		fmt.Fprintf(out, "%s  seed %d\n", i.File, i.Seed)
	}
	t := result.Made.Timings
	fmt.Fprintf(out, "%d x %d, %d steps of %s, %.1f s (load %.1f, text %.1f, sample %.1f, decode %.1f)\n",
		spec.Width, spec.Height, result.Made.Steps, result.Made.Scheduler, t.Total, t.Load, t.Encode, t.Sample, t.Decode)
	return nil
}

// localSpec resolves a request against the one runtime there is.
func localSpec(request api.JobRequest, runtime api.Runtime) (api.ImageSpec, error) {
	if request.Model == "" && len(runtime.Models) > 0 {
		request.Model = runtime.Models[0].Name
	}
	model, ok := runtime.FindModel(request.Model)
	if !ok {
		return api.ImageSpec{}, runtime.Check(api.ImageSpec{Model: request.Model})
	}
	spec, faults := request.Spec(model, rand.Int64N(api.MaxSeed))
	if err := api.Invalid(faults); err != nil {
		return api.ImageSpec{}, err
	}
	return spec, runtime.Check(spec)
}

// copyFile writes the target under its name only when it is whole.
func copyFile(target, source string) error {
	body, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return writePicture(target, body)
}

// writePicture writes what a user asked for, whole or not at all.
func writePicture(target string, body []byte) error { return disk.WriteFile(target, body, 0o644) }

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %s", api.Quote(args[0]))}
	}
	return nil
}

func oneArgument(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("want one argument, got %d", len(args))}
	}
	return nil
}
