package nn

import (
	"math"
	"slices"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// Merging joins similar tokens of pictures, so that an attention has fewer of them (Bolya and Hoffman 2023,
// arXiv:2303.17604, after Bolya et al. 2022, arXiv:2210.09461). One pixel of every square of 2 x 2 is a destination. Of
// the other pixels, the sources, those that are most like a destination become part of it. The papers take a random
// destination in each square; here it is the upper left one, so that a picture depends on nothing but the request.
//
// A Merging is lent by an arena and lives until the arena's next one.
type Merging struct {
	h, w, c, n int
	merged     int // tokens per picture that are left
	preparing  bool
	x          Tensor

	destinations []matrix.Operand // per picture: normalised, a column each
	rows, scores []float32        // scratch per worker
	limit        int

	sources []int32 // pixels of a picture
	nearest []int32 // per picture and source: its destination
	order   []uint64
	to      []int32 // per picture and pixel: the token that it is part of
	shares  []float32
}

// sourceRows is the number of sources that are compared at once.
const sourceRows = 96

// square is the side of the squares with one destination each.
const square = 2

// MergeLimit is the largest ratio that Merge takes: all tokens but the destinations.
const MergeLimit = 1 - 1.0/(square*square)

// Merge looks for the pairs in x by the cosine of the angle between tokens, and merges so large a part of the tokens, at
// most the sources. It returns nil where no token would be.
func Merge(m *Arena, x Tensor, ratio float64) *Merging {
	tokens := x.H * x.W
	wide := x.W / square
	destinations := x.H / square * wide
	away := min(int(float64(tokens)*ratio), tokens-destinations)
	if away <= 0 || destinations == 0 {
		return nil
	}
	g := &m.merging
	g.h, g.w, g.c, g.n, g.merged, g.x = x.H, x.W, x.C, x.N, tokens-away, x
	g.list()
	mark := m.Mark()
	defer m.Release(mark)
	g.compare(m, destinations)
	for n := range x.N {
		g.assign(n, away, destinations)
	}
	g.x = Tensor{}
	return g
}

// isDestination reports whether a pixel is one. The last line or column of odd sides has none.
func (g *Merging) isDestination(pixel int) bool {
	y, x := pixel/g.w, pixel%g.w
	return y%square == 0 && x%square == 0 && y+square <= g.h && x+square <= g.w
}

// destination returns the pixel of destination i.
func (g *Merging) destination(i int) int {
	wide := g.w / square
	return i/wide*square*g.w + i%wide*square
}

func (g *Merging) list() {
	g.sources = g.sources[:0]
	for pixel := range g.h * g.w {
		if !g.isDestination(pixel) {
			g.sources = append(g.sources, int32(pixel))
		}
	}
	g.nearest = resized(g.nearest, g.n*len(g.sources))
	g.order = resized(g.order, g.n*len(g.sources))
	g.to = resized(g.to, g.n*g.h*g.w)
	g.shares = resized(g.shares, g.merged)
}

// resized makes a slice of n elements, whose contents do not matter, out of one that there is.
func resized[E any](x []E, n int) []E {
	if cap(x) < n {
		return make([]E, n)
	}
	return x[:n]
}

// compare finds each source's nearest destination.
func (g *Merging) compare(m *Arena, destinations int) {
	g.limit = workers(g.n * len(g.sources) * destinations * g.c)
	g.rows = m.Floats(g.limit * max(sourceRows, destinations) * g.c)
	g.scores = m.Floats(g.limit * sourceRows * destinations)
	g.destinations = g.destinations[:0]
	for range g.n {
		g.destinations = append(g.destinations, matrix.Place(m.Floats(matrix.Size(g.c, destinations)), g.c, destinations))
	}
	g.preparing = true
	m.parallel(g.limit, g.n, g)
	g.preparing = false
	m.parallel(g.limit, g.n*g.pieces(), g)
}

func (g *Merging) pieces() int { return (len(g.sources) + sourceRows - 1) / sourceRows }

// do prepares a picture's destinations, or compares a piece of its sources with them.
func (g *Merging) do(worker, i int) {
	size := len(g.rows) / g.limit
	rows := g.rows[worker*size : (worker+1)*size]
	if g.preparing {
		for d := range g.destinations[i].N {
			g.unit(rows[d*g.c:(d+1)*g.c], i, g.destination(d))
		}
		g.destinations[i].Fill(matrix.Dense(rows, g.destinations[i].N, g.c), true)
		return
	}
	n, from := i/g.pieces(), i%g.pieces()*sourceRows
	size = len(g.scores) / g.limit
	g.search(rows, g.scores[worker*size:(worker+1)*size], n, from)
}

func (g *Merging) search(rows, scores []float32, n, from int) {
	to := min(from+sourceRows, len(g.sources))
	for s := from; s < to; s++ {
		g.unit(rows[(s-from)*g.c:(s-from+1)*g.c], n, int(g.sources[s]))
	}
	b := &g.destinations[n]
	matrix.Multiply(matrix.Dense(scores, to-from, b.N), matrix.Dense(rows, to-from, g.c), b, nil)
	for s := from; s < to; s++ {
		row := scores[(s-from)*b.N : (s-from+1)*b.N]
		best := 0
		for d, v := range row {
			if v > row[best] {
				best = d
			}
		}
		g.nearest[n*len(g.sources)+s] = int32(best)
		g.order[n*len(g.sources)+s] = uint64(descending(row[best]))<<32 | uint64(s)
	}
}

// descending maps numbers to ones whose order is the opposite.
func descending(x float32) uint32 {
	b := math.Float32bits(x)
	if b>>31 == 0 {
		return ^b ^ 1<<31
	}
	return b
}

// unit writes a pixel's channels, scaled to length 1.
func (g *Merging) unit(dst []float32, n, pixel int) {
	row := g.x.Data[(n*g.h*g.w+pixel)*g.c:][:g.c]
	square := 0.0
	for _, v := range row {
		square += float64(v) * float64(v)
	}
	inverse := float32(1 / math.Sqrt(max(square, math.SmallestNonzeroFloat32)))
	for c, v := range row {
		dst[c] = v * inverse
	}
}

// assign gives every pixel of a picture its token: first the destinations in their order, then the sources that are left.
func (g *Merging) assign(n, away, destinations int) {
	to := g.to[n*g.h*g.w : (n+1)*g.h*g.w]
	for d := range destinations {
		to[g.destination(d)] = int32(d)
	}
	order := g.order[n*len(g.sources) : (n+1)*len(g.sources)]
	slices.Sort(order)
	for i, key := range order {
		s := int(uint32(key))
		to[g.sources[s]] = int32(destinations + i - away)
		if i < away {
			to[g.sources[s]] = g.nearest[n*len(g.sources)+s]
		}
	}
}

// Tokens returns the means of x's tokens that belong together: (N, 1, tokens, C).
func (g *Merging) Tokens(m *Arena, x Tensor) Tensor {
	out := m.Tensor(g.n, 1, g.merged, x.C)
	clear(out.Data)
	for n := range g.n {
		to := g.to[n*g.h*g.w : (n+1)*g.h*g.w]
		clear(g.shares)
		for pixel, token := range to {
			row := out.Data[(n*g.merged+int(token))*x.C:][:x.C]
			sum(row, row, x.Data[(n*len(to)+pixel)*x.C:][:x.C])
			g.shares[token]++
		}
		for token, share := range g.shares {
			if share == 1 {
				continue
			}
			row := out.Data[(n*g.merged+token)*x.C:][:x.C]
			for c := range row {
				row[c] /= share
			}
		}
	}
	return out
}

// Pixels gives every pixel the value of the token that it is part of: (N, H, W, C).
func (g *Merging) Pixels(m *Arena, x Tensor) Tensor {
	out := m.Tensor(g.n, g.h, g.w, x.C)
	for n := range g.n {
		for pixel, token := range g.to[n*g.h*g.w : (n+1)*g.h*g.w] {
			copy(out.Data[(n*g.h*g.w+pixel)*x.C:][:x.C], x.Data[(n*g.merged+int(token))*x.C:])
		}
	}
	return out
}
