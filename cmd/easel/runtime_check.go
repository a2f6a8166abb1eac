package main

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

// selfTest is the picture that a working runtime draws, and selfTestSeed the seed it is drawn with.
var selfTest = shapes.NewScene("blue", shapes.Figure{Color: "red", Shape: "circle"})

const selfTestSeed = 7

func runtimeCheckCommand() *cobra.Command {
	var (
		flags  runtimeFlags
		output string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "check NAME",
		Short: "Start a runtime and check that it draws what it is asked to",
		Long: `Starts the runtime, draws "` + selfTest.Caption + `" with the shipped model and checks the picture.
The picture of a runtime other than builtin is also compared with the builtin runtime's, which should be the same. The
exit code is 1 if the runtime does not start or the picture does not show what was asked for.`,
		Example: "  easel runtime check builtin\n  easel runtime check diffusers -o check.png",
		Args:    oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			result, picture, err := checkRuntime(c.Context(), args[0], flags)
			if err != nil {
				return err
			}
			if output != "" {
				if err := copyFile(output, picture.path); err != nil {
					return err
				}
			}
			os.RemoveAll(picture.dir)
			if err := result.write(c.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if !result.Right {
				return fmt.Errorf("runtime %s works, and its picture does not show %q", args[0], selfTest.Caption)
			}
			return nil
		},
	}
	flags.register(c.Flags())
	c.Flags().StringVarP(&output, "output", "o", "", "keep the picture in `FILE.png`")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// checked is what a check found.
type checked struct {
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	Device     string      `json:"device"`
	Models     []string    `json:"models"`
	Schedulers []string    `json:"schedulers"`
	Features   []string    `json:"features"`
	Prompt     string      `json:"prompt"`
	Right      bool        `json:"right"`
	Timings    api.Timings `json:"timings"`
	// Difference is the mean difference to the builtin runtime's picture, in steps of 1/255.
	Difference *float64 `json:"difference,omitempty"`
}

// drawn is a picture in a temporary directory that the receiver removes.
type drawn struct {
	dir, path string
	image     image.Image
}

func checkRuntime(ctx context.Context, name string, flags runtimeFlags) (checked, drawn, error) {
	info, made, picture, err := selfTestPicture(ctx, name, flags)
	if err != nil {
		return checked{}, drawn{}, err
	}
	result := checked{
		Name: name, Version: info.Version, Device: made.Device, Schedulers: info.Schedulers, Features: info.Features,
		Prompt: selfTest.Caption, Right: shapes.Judge(selfTest, picture.image).Right(), Timings: made.Timings,
	}
	for _, m := range info.Models {
		result.Models = append(result.Models, m.Name+" ("+m.Architecture+")")
	}
	if d, _ := findRuntime(name); d.reference != "" {
		_, _, other, err := selfTestPicture(ctx, d.reference, withoutFlags())
		if err != nil {
			return checked{}, drawn{}, fmt.Errorf("the %s runtime, to compare with: %w", d.reference, err)
		}
		os.RemoveAll(other.dir)
		d := difference(picture.image, other.image)
		result.Difference = &d
	}
	return result, picture, nil
}

// selfTestPicture lets a runtime draw the test picture.
func selfTestPicture(ctx context.Context, name string, flags runtimeFlags) (info api.Runtime, made runner.Made, picture drawn, err error) {
	command, err := childCommand(name, flags)
	if err != nil {
		return info, made, picture, err
	}
	process, err := runner.Start(ctx, runner.Options{Command: command})
	if err != nil {
		return info, made, picture, err
	}
	defer process.Stop(context.WithoutCancel(ctx))
	info = process.Runtime()
	seed := int64(selfTestSeed)
	spec, err := localSpec(api.JobRequest{Model: builtin.ShippedModel, Prompt: selfTest.Caption, Seed: &seed}, info)
	if err != nil {
		return info, made, picture, err
	}
	if picture.dir, err = os.MkdirTemp("", "easel-check-"); err != nil {
		return info, made, picture, err
	}
	progress := newBar("easel")
	defer progress.clear()
	made, err = process.Generate(ctx, spec, picture.dir, 0, runner.Watch{Progress: progress.show, Image: func(path string, _ api.Image) (err error) {
		picture.path = path
		picture.image, err = readPNG(path)
		return err
	}})
	if err != nil {
		os.RemoveAll(picture.dir)
	}
	return info, made, picture, err
}

func readPNG(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return png.Decode(f)
}

// difference is the mean absolute difference of two pictures' colours, 0 to 255.
func difference(a, b image.Image) float64 {
	size := a.Bounds().Size()
	if size != b.Bounds().Size() {
		return 255
	}
	sum := 0.0
	for y := range size.Y {
		for x := range size.X {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range [3]int{int(r1) - int(r2), int(g1) - int(g2), int(b1) - int(b2)} {
				sum += float64(max(d, -d)) / 257
			}
		}
	}
	return sum / float64(3*size.X*size.Y)
}

func (r checked) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(out, r)
	}
	verdict := "shows what was asked for"
	if !r.Right {
		verdict = "does NOT show what was asked for"
	}
	fmt.Fprintf(out, "runtime     %s %s\ndevice      %s\nmodels      %s\nschedulers  %d: %s\nfeatures    %s\n", r.Name, plain(r.Version), plain(r.Device),
		plain(strings.Join(r.Models, ", ")), len(r.Schedulers), plain(strings.Join(r.Schedulers, ", ")), plain(strings.Join(r.Features, ", ")))
	_, err := fmt.Fprintf(out, "picture     %q: %s, in %.1f s (load %.1f, sample %.1f)\n", r.Prompt, verdict, r.Timings.Total, r.Timings.Load, r.Timings.Sample)
	if r.Difference != nil {
		_, err = fmt.Fprintf(out, "            mean difference to the builtin runtime's picture: %.3f of 255\n", *r.Difference)
	}
	return err
}
