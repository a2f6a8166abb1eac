package builtin

import (
	"testing"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

// BenchmarkPicture makes a whole picture with the shipped model, 128 x 128, 20 steps, guidance 5, with each
// implementation of matrix products that this build has.
func BenchmarkPicture(b *testing.B) {
	defer matrix.Select(matrix.Name())
	r := Request{
		Prompt: "a red circle on a blue background", Width: 128, Height: 128,
		Steps: 20, GuidanceScale: 5, Scheduler: scheduler.Euler, Seed: 1,
	}
	for _, name := range matrix.Names() {
		b.Run(name, func(b *testing.B) {
			if err := matrix.Select(name); err != nil {
				b.Fatal(err)
			}
			p, err := Open(Shipped())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				generate(b, p, r)
			}
		})
	}
}

// BenchmarkOpen reads the shipped model.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		if _, err := Open(Shipped()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSetLoRAs puts the shipped adapter on the shipped model and takes it off again.
func BenchmarkSetLoRAs(b *testing.B) {
	p, err := Open(Shipped())
	if err != nil {
		b.Fatal(err)
	}
	l, err := OpenLoRA(ShippedLoRAs(), "outline.safetensors")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, set := range [][]WeightedLoRA{{{l, 1}}, nil} {
			if err := p.SetLoRAs(set); err != nil {
				b.Fatal(err)
			}
		}
	}
}
