package textencoder

import (
	"os"
	"slices"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/nn"
)

func TestSkippedLayersAreLeftOut(t *testing.T) {
	whole, err := Open(os.DirFS("../testdata/first"), "text_encoder")
	if err != nil {
		t.Fatal(err)
	}
	sequences := [][]int{{1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}}
	states := func(m *Model, skip int) []float32 {
		t.Helper()
		x, err := m.Forward(&nn.Arena{}, sequences, skip)
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
	seen := [][]float32{}
	for skip := range whole.Config.Layers + 1 {
		short := *whole
		short.layers = whole.layers[:len(whole.layers)-skip]
		got := states(whole, skip)
		if !slices.Equal(got, states(&short, 0)) {
			t.Errorf("skipping %d differs from a model with so many layers fewer", skip)
		}
		for before, x := range seen {
			if slices.Equal(got, x) {
				t.Errorf("skipping %d is the same as skipping %d", skip, before)
			}
		}
		seen = append(seen, got)
	}
	for _, skip := range []int{-1, whole.Config.Layers + 1} {
		if _, err := whole.Forward(&nn.Arena{}, sequences, skip); err == nil {
			t.Errorf("skipping %d of %d layers was accepted", skip, whole.Config.Layers)
		}
	}
}
