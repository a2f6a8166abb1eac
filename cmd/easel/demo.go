package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/api/client"
)

// demoPrompts are what the demo draws unless --prompt is given.
var demoPrompts = []api.JobRequest{
	{Prompt: "a red circle on a blue background"},
	{Prompt: "a large yellow star in the center on a purple background"},
	{Prompt: "a green triangle and an orange square on a white background"},
	{Prompt: "a large orange circle on a black background", LoRAs: []api.LoRA{{Name: "outline", Weight: 1}}},
}

func demoCommand() *cobra.Command {
	var (
		out     string
		prompts []string
		seed    int64
		asJSON  bool
	)
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run everything on this machine and make pictures",
		Long: `Starts a coordinator, an agent and its diffusion runtime as separate processes on loopback, in a
temporary directory, and makes one picture per prompt. Only the pictures are left behind.`,
		Example: `  easel demo --out pics
  easel demo --prompt "a small white star at the top on a red background" --seed 5`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			requests := demoPrompts
			if len(prompts) > 0 {
				requests = nil
				for _, p := range prompts {
					requests = append(requests, api.JobRequest{Prompt: p})
				}
			}
			for i := range requests {
				requests[i].Seed = &seed
			}
			d := demo{out: out, print: c.OutOrStdout(), started: time.Now()}
			if asJSON {
				d.print = io.Discard
			}
			result, err := d.run(c.Context(), requests)
			if err == nil && asJSON {
				err = writeJSON(c.OutOrStdout(), result)
			}
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "easel-demo", "directory for the pictures")
	c.Flags().StringArrayVar(&prompts, "prompt", nil, "what to draw instead of the four pictures; may be repeated")
	c.Flags().Int64Var(&seed, "seed", 7, "seed of every picture")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

// demoResult is what the demo prints with --json.
type demoResult struct {
	Pictures []string  `json:"pictures"`
	Sheet    string    `json:"sheet"`
	Jobs     []api.Job `json:"jobs"`
}

// demo is one run of the demo.
type demo struct {
	out     string
	print   io.Writer
	started time.Time
	client  *client.Client
	stages  []stage
}

// stage is a part of the demo and how long it took.
type stage struct {
	name string
	took time.Duration
}

func (d *demo) run(ctx context.Context, requests []api.JobRequest) (demoResult, error) {
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return demoResult{}, err
	}
	scratch, err := os.MkdirTemp("", "easel-demo-")
	if err != nil {
		return demoResult{}, err
	}
	defer os.RemoveAll(scratch)
	grid, err := startGrid(ctx, scratch)
	if err != nil {
		return demoResult{}, err
	}
	defer grid.stop()
	d.client = grid.client
	d.stages = append(d.stages, grid.stages...)
	fmt.Fprintf(d.print, "coordinator  %s\nnode         %s, runtime builtin\n\n", grid.client.URL, grid.nodeID)
	result, err := d.pictures(ctx, requests)
	if err != nil {
		return demoResult{}, errors.Join(err, grid.lastWords())
	}
	return result, d.report(result)
}

// pictures makes one picture per request, one after the other, and a sheet of all of them.
func (d *demo) pictures(ctx context.Context, requests []api.JobRequest) (demoResult, error) {
	var result demoResult
	for i, r := range requests {
		started := time.Now()
		label := fmt.Sprintf("%d/%d  %s", i+1, len(requests), title(r))
		job, err := d.client.Submit(ctx, r, "")
		if err == nil {
			job, err = follow(ctx, d.client, job.ID, newBar(label))
		}
		if err != nil {
			return result, fmt.Errorf("picture %d: %w", i+1, err)
		}
		target := filepath.Join(d.out, fmt.Sprintf("%02d-%s.png", i+1, fileName(r.Prompt)))
		if err := fetch(ctx, d.client, job.Images[0], target); err != nil {
			return result, fmt.Errorf("picture %d: %w", i+1, err)
		}
		took := time.Since(started)
		t := job.Receipt.Timings
		fmt.Fprintf(d.print, "%s  %.1f s\n", label, took.Seconds())
		d.stages = append(d.stages, stage{fmt.Sprintf("picture %d", i+1), took})
		fmt.Fprintf(d.print, "     load %.1f s, text %.2f s, %d steps %.1f s, decode %.2f s, the rest %.2f s\n",
			t.Load, t.Encode, job.Receipt.Steps, t.Sample, t.Decode, max(0, took.Seconds()-t.Total))
		result.Pictures, result.Jobs = append(result.Pictures, target), append(result.Jobs, job)
	}
	result.Sheet = filepath.Join(d.out, "contact-sheet.png")
	return result, writeSheet(result.Sheet, result.Pictures, requests)
}

func (d *demo) report(r demoResult) error {
	fmt.Fprintln(d.print)
	for _, p := range append(r.Pictures, r.Sheet) {
		fmt.Fprintln(d.print, p)
	}
	fmt.Fprintln(d.print)
	for _, s := range d.stages {
		fmt.Fprintf(d.print, "%-12s %6.1f s\n", s.name, s.took.Seconds())
	}
	_, err := fmt.Fprintf(d.print, "%-12s %6.1f s\n", "all", time.Since(d.started).Seconds())
	return err
}

// title is the prompt and the adapters of a request.
func title(r api.JobRequest) string {
	text := r.Prompt
	for _, l := range r.LoRAs {
		text += fmt.Sprintf(" + LoRA %s:%g", l.Name, l.Weight)
	}
	return text
}

// fileName makes a short plain name of a prompt.
func fileName(prompt string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(prompt))
	plain = strings.Join(strings.FieldsFunc(plain, func(r rune) bool { return r == '-' }), "-")
	if len(plain) > 48 {
		plain = strings.TrimRight(plain[:48], "-")
	}
	return cmpOr(plain, "picture")
}
