package builtin

import (
	"testing"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/scheduler"
)

// BenchmarkPicture makes a whole picture with the shipped model: 128 x 128, 20 steps, guidance 5. The name has
// the implementation of matrix products that this build uses.
func BenchmarkPicture(b *testing.B) {
	p, err := Open(Shipped())
	if err != nil {
		b.Fatal(err)
	}
	b.Run(matrix.Name(), func(b *testing.B) {
		b.ReportAllocs()
		r := Request{
			Prompt: "a red circle on a blue background", Width: 128, Height: 128,
			Steps: 20, GuidanceScale: 5, Scheduler: scheduler.Euler, Seed: 1,
		}
		for b.Loop() {
			generate(b, p, r)
		}
	})
}

// BenchmarkOpen reads the shipped model.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		if _, err := Open(Shipped()); err != nil {
			b.Fatal(err)
		}
	}
}
