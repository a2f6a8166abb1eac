// Command measure counts how often the shipped model draws what it is asked to, for prompts that
// training never drew together. scripts/train/README.md holds its figures.
//
//	go run ./scripts/train/measure
//	go run ./scripts/train/measure -lora outline -n 50
package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/easelgrid/easel/runner/builtin"
	"github.com/easelgrid/easel/runner/builtin/shapes"
)

func main() {
	var o options
	flag.StringVar(&o.model, "model", "", "pipeline `directory` (the embedded model)")
	flag.StringVar(&o.lora, "lora", "", "LoRA `file`, or the name of an embedded one")
	flag.Float64Var(&o.weight, "weight", 1, "weight of the LoRA")
	flag.StringVar(&o.scheduler, "scheduler", "DDIMScheduler", "scheduler")
	flag.IntVar(&o.steps, "steps", 20, "steps")
	flag.Float64Var(&o.guidance, "guidance", 5, "guidance scale")
	flag.IntVar(&o.n, "n", 200, "prompts")
	flag.StringVar(&o.out, "out", "", "`directory` for the pictures that are wrong")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

type options struct {
	model, lora, scheduler, out string
	weight, guidance            float64
	steps, n                    int
}

func measure(ctx context.Context, o options) error {
	pipeline, err := open(o)
	if err != nil {
		return err
	}
	width, height := pipeline.NativeSize()
	var t tally
	started := time.Now()
	for i, scene := range shapes.HeldOutScenes(o.n, 1) {
		picture, err := pipeline.Generate(ctx, builtin.Request{
			Prompt: scene.Caption, Width: width, Height: height, Steps: o.steps,
			GuidanceScale: o.guidance, Scheduler: o.scheduler, Seed: int64(i),
		}, nil)
		if err != nil {
			return err
		}
		v := shapes.Judge(scene, picture)
		t.add(v)
		if !v.Right() {
			fmt.Printf("%3d  %-64s %s\n", i, scene.Caption, wrong(v))
			if err := keep(o.out, i, picture); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\n%d prompts, %s, %d steps, guidance %g, %.1f s a picture\n", o.n, o.scheduler, o.steps, o.guidance, time.Since(started).Seconds()/float64(o.n))
	fmt.Print(t)
	return nil
}

func open(o options) (*builtin.Pipeline, error) {
	var files fs.FS = builtin.Shipped()
	if o.model != "" {
		files = os.DirFS(o.model)
	}
	pipeline, err := builtin.Open(files)
	if err != nil || o.lora == "" {
		return pipeline, err
	}
	dir, name := fs.FS(builtin.ShippedLoRAs()), o.lora+".safetensors"
	if filepath.Ext(o.lora) != "" {
		dir, name = os.DirFS(filepath.Dir(o.lora)), filepath.Base(o.lora)
	}
	lora, err := builtin.OpenLoRA(dir, name)
	if err != nil {
		return nil, err
	}
	return pipeline, pipeline.SetLoRAs([]builtin.WeightedLoRA{{LoRA: lora, Weight: o.weight}})
}

func keep(dir string, i int, picture image.Image) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%03d.png", i)))
	if err != nil {
		return err
	}
	if err := png.Encode(f, picture); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func wrong(v shapes.Verdict) string {
	text := ""
	if !v.Background {
		text += " background"
	}
	if v.Colors < v.Figures {
		text += " colour"
	}
	if v.Shapes < v.Figures {
		text += " shape"
	}
	if v.Placed < v.Positions {
		text += " position"
	}
	return "wrong:" + text
}

// tally adds verdicts up.
type tally struct {
	prompts, right, backgrounds, figures, colors, shapes, positions, placed, hollow int
}

func (t *tally) add(v shapes.Verdict) {
	t.prompts++
	t.figures += v.Figures
	t.colors += v.Colors
	t.shapes += v.Shapes
	t.positions += v.Positions
	t.placed += v.Placed
	if v.Background {
		t.backgrounds++
	}
	if v.Right() {
		t.right++
	}
	if v.Hollow > 0.1 {
		t.hollow++
	}
}

func (t tally) String() string {
	row := func(name string, n, of int) string {
		return fmt.Sprintf("%-18s %5.1f %%  (%d of %d)\n", name, 100*float64(n)/float64(max(of, 1)), n, of)
	}
	return row("background colour", t.backgrounds, t.prompts) + row("shape colour", t.colors, t.figures) +
		row("shape", t.shapes, t.figures) + row("position", t.placed, t.positions) +
		row("all of a prompt", t.right, t.prompts) + row("hollow (outline)", t.hollow, t.prompts)
}
