package noise

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/easelgrid/easel/runner/builtin/safetensors"
)

func TestNumbersAreThoseOfPyTorch(t *testing.T) {
	file, err := safetensors.Open(os.DirFS("../testdata"), "noise.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range file.Names() {
		t.Run(name, func(t *testing.T) {
			var seed int64
			var n int
			if _, err := fmt.Sscanf(strings.Replace(name, ".", " ", 1), "%d %d", &seed, &n); err != nil {
				t.Fatal(err)
			}
			tensor, _ := file.Tensor(name)
			want, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, n)
			New(seed).Normal(got)
			for i, w := range want {
				if math.Abs(float64(got[i]-w)) > 1e-5 {
					t.Fatalf("number %d is %g, want %g", i, got[i], w)
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
