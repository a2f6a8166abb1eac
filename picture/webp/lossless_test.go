package webp

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// Palettes of each bundling, and one colour too many for any.
func TestPalettes(t *testing.T) {
	for _, colours := range []int{1, 2, 3, 4, 5, 16, 17, 256, 257} {
		t.Run(fmt.Sprint(colours), func(t *testing.T) {
			m := draw("invisible", 61, 37)
			for i := range len(m.Pix) / 4 {
				c := uint32(i%colours) * 0x01030507
				m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = uint8(c), uint8(c>>8), uint8(c>>16), uint8(c>>24)
			}
			checkFile(t, m, encode(t, m, Options{Quality: 100}), 100)
		})
	}
}

// Lengths never pass the limit, whatever the counts, and a code with two or more symbols is complete.
func TestPrefixCodeLimit(t *testing.T) {
	fibonacci := []uint32{1, 1}
	for len(fibonacci) < 40 {
		fibonacci = append(fibonacci, fibonacci[len(fibonacci)-1]+fibonacci[len(fibonacci)-2])
	}
	random := make([]uint32, 280)
	for i := range random {
		random[i] = rand.New(rand.NewSource(int64(i))).Uint32() >> (i % 32)
	}
	for name, count := range map[string][]uint32{"fibonacci": fibonacci, "random": random, "two": {0, 1, 0, 9}} {
		for _, limit := range []uint8{7, 15} {
			if limit == 7 && len(count) > 1<<7 {
				continue
			}
			t.Run(fmt.Sprint(name, " ", limit), func(t *testing.T) {
				c := newPrefixCode(count, limit)
				share := 0
				for s, l := range c.length {
					if l > limit || (l > 0) != (count[s] > 0) {
						t.Errorf("symbol %d, counted %d times, has length %d", s, count[s], l)
					}
					if l > 0 {
						share += 1 << (15 - l)
					}
				}
				if share != 1<<15 {
					t.Errorf("the code fills %d of %d", share, 1<<15)
				}
			})
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, test := range []struct {
		n    int
		want prefix
	}{
		{1, prefix{0, 0, 0}}, {4, prefix{3, 0, 0}}, {5, prefix{4, 0, 1}}, {6, prefix{4, 1, 1}},
		{7, prefix{5, 0, 1}}, {12, prefix{6, 3, 2}}, {4096, prefix{23, 1023, 10}}, {1 << 20, prefix{39, 1<<18 - 1, 18}},
	} {
		if got := newPrefix(test.n); got != test.want {
			t.Errorf("%d: got %v, want %v", test.n, got, test.want)
		}
	}
}

func TestRuns(t *testing.T) {
	length := slices.Concat([]uint8{3, 3, 3, 3, 3, 3, 3, 3, 3}, make([]uint8, 150), []uint8{5, 0, 0, 0, 5, 0, 0})
	want := []prefix{{3, 0, 0}, {16, 3, 2}, {3, 0, 0}, {3, 0, 0}, {18, 127, 7}, {18, 1, 7}, {5, 0, 0}, {17, 0, 3}, {5, 0, 0}, {0, 0, 0}, {0, 0, 0}}
	if got := runsOf(length); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSubtract(t *testing.T) {
	for range 1000 {
		a, b := rand.Uint32(), rand.Uint32()
		want := channels(func(s uint) int { return int(uint8(a>>s) - uint8(b>>s)) })
		if got := subtract(a, b); got != want {
			t.Errorf("%08x - %08x = %08x, want %08x", a, b, got, want)
		}
	}
}
