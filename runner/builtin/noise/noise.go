// Package noise draws the normal numbers that PyTorch's CPU generator draws, so that a seed gives the same
// picture here and in diffusers.
package noise

import "math"

// Sizes and constants of mt19937 (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995).
const (
	words  = 624
	middle = 397
)

// source is the Mersenne Twister with 32-bit outputs.
type source struct {
	state [words]uint32
	next  int
}

func newSource(seed uint32) *source {
	s := &source{next: words}
	s.state[0] = seed
	for i := 1; i < words; i++ {
		before := s.state[i-1]
		s.state[i] = 1812433253*(before^before>>30) + uint32(i)
	}
	return s
}

func (s *source) uint32() uint32 {
	if s.next == words {
		s.twist()
	}
	y := s.state[s.next]
	s.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (s *source) twist() {
	for i := range words {
		y := s.state[i]&0x80000000 | s.state[(i+1)%words]&0x7fffffff
		x := s.state[(i+middle)%words] ^ y>>1
		if y&1 != 0 {
			x ^= 0x9908b0df
		}
		s.state[i] = x
	}
	s.next = 0
}

// uniform is in [0, 1), a multiple of 2^-24.
func (s *source) uniform() float32 { return float32(s.uint32()&(1<<24-1)) * (1.0 / (1 << 24)) }

// uniform64 is in [0, 1), a multiple of 2^-53, made of two outputs.
func (s *source) uniform64() float64 {
	high := uint64(s.uint32())
	return float64((high<<32|uint64(s.uint32()))&(1<<53-1)) * (1.0 / (1 << 53))
}

// block is how many numbers PyTorch transforms together.
const block = 16

// Generator is torch.Generator("cpu"): a stream of random numbers. It must not be used concurrently.
type Generator struct {
	source source
	spare  float64 // the second number of a pair made for a short draw
	spared bool
}

// New is torch.Generator("cpu").manual_seed(seed). Only the seed's low 32 bits count, as there.
func New(seed int64) *Generator { return &Generator{source: *newSource(uint32(seed))} }

// Normal fills dst with what torch.randn(len(dst), generator=g) gives next. PyTorch has two ways: short draws
// are made in float64, one pair after another; others in blocks, the last of which is drawn anew when it is
// not whole.
func (g *Generator) Normal(dst []float32) {
	if len(dst) < block {
		for i := range dst {
			dst[i] = float32(g.single())
		}
		return
	}
	for i := range dst {
		dst[i] = g.source.uniform()
	}
	for at := 0; at+block <= len(dst); at += block {
		boxMuller(dst[at : at+block])
	}
	if len(dst)%block != 0 {
		last := dst[len(dst)-block:]
		for i := range last {
			last[i] = g.source.uniform()
		}
		boxMuller(last)
	}
}

// single makes numbers in pairs and keeps the second one, across draws of any length.
func (g *Generator) single() float64 {
	if g.spared {
		g.spared = false
		return g.spare
	}
	u1, u2 := g.source.uniform64(), g.source.uniform64()
	radius := math.Sqrt(-2 * math.Log1p(-u2))
	sine, cosine := math.Sincos(2 * math.Pi * u1)
	g.spare, g.spared = radius*sine, true
	return radius * cosine
}

// boxMuller turns uniform numbers into normal ones, element j paired with j+8 (Box and Muller 1958,
// doi:10.1214/aoms/1177706645).
func boxMuller(x []float32) {
	for j := range block / 2 {
		u1, u2 := 1-x[j], x[j+block/2]
		radius := math.Sqrt(-2 * math.Log(float64(u1)))
		sine, cosine := math.Sincos(2 * math.Pi * float64(u2))
		x[j], x[j+block/2] = float32(radius*cosine), float32(radius*sine)
	}
}
