package noise

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

// tensors reads golden draws of PyTorch. Their names are "SEED.SIZE" or "SEED.SIZE-SIZE-...".
func tensors(t *testing.T, name string, check func(t *testing.T, seed int64, sizes []int, want []float32)) {
	t.Helper()
	file, err := safetensors.Open(os.DirFS("../testdata"), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range file.Names() {
		t.Run(name, func(t *testing.T) {
			before, after, _ := strings.Cut(name, ".")
			seed, err := strconv.ParseInt(before, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			for _, text := range strings.Split(after, "-") {
				size, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, size)
			}
			tensor, _ := file.Tensor(name)
			want, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			check(t, seed, sizes, want)
		})
	}
}

// draw makes the draws one after another.
func draw(t *testing.T, seed int64, sizes []int, want []float32) {
	t.Helper()
	g := New(seed)
	for i, size := range sizes {
		got := make([]float32, size)
		g.Normal(got)
		for j, x := range got {
			if math.Abs(float64(x-want[j])) > 1e-5 {
				t.Fatalf("number %d of draw %d is %g, want %g", j, i, x, want[j])
			}
		}
		want = want[size:]
	}
	if len(want) != 0 {
		t.Fatalf("%d numbers are left", len(want))
	}
}

func TestNumbersAreThoseOfPyTorch(t *testing.T) {
	for _, name := range []string{"noise.safetensors", "draws.safetensors"} {
		t.Run(name, func(t *testing.T) { tensors(t, name, draw) })
	}
}

// Only the seed's low 32 bits count.
func TestSeedsAreTakenAsPyTorchTakesThem(t *testing.T) {
	for _, seeds := range [][2]int64{{7, 7 + 1<<32}, {-1, 1<<32 - 1}} {
		t.Run(fmt.Sprint(seeds), func(t *testing.T) {
			a, b := make([]float32, 40), make([]float32, 40)
			New(seeds[0]).Normal(a)
			New(seeds[1]).Normal(b)
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("number %d is %g and %g", i, a[i], b[i])
				}
			}
		})
	}
}

// The 10000th output for the default seed is in the C++ standard, [rand.predef].
func TestTwisterIsTheOneOfTheStandard(t *testing.T) {
	s := newSource(5489)
	var last uint32
	for range 10000 {
		last = s.uint32()
	}
	if last != 4123659995 {
		t.Fatalf("the 10000th output is %d", last)
	}
}
