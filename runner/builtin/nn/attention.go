package nn

import (
	"math"

	"github.com/easelgrid/easel/runner/builtin/matrix"
)

// attentionRows is the number of queries whose scores are held at once, so that a large picture needs little
// memory.
const attentionRows = 96

// Attention computes softmax(Q K^T / sqrt(d)) V for each of heads equal slices of the channels (Vaswani et
// al. 2017, arXiv:1706.03762). q is (N, T, C), k and v are (N, S, C); pixels count as tokens. With causal, token
// i sees only tokens up to i.
func Attention(m *Arena, q, k, v Tensor, heads int, causal bool) Tensor {
	out := m.Tensor(q.N, q.H, q.W, v.C)
	mark := m.Mark()
	defer m.Release(mark)
	a := newAttention(m, out, q, k, v, heads, causal)
	cost := q.N * a.t * a.s * q.C * 2
	parallel(workers(cost), q.N*heads, func(_, i int) { a.prepare(i) })
	pieces := (a.t + attentionRows - 1) / attentionRows
	limit := workers(cost)
	scores := m.Floats(limit * attentionRows * a.s)
	parallel(limit, q.N*heads*pieces, func(worker, i int) {
		mine := scores[worker*attentionRows*a.s : (worker+1)*attentionRows*a.s]
		a.rows(mine, i/pieces, i%pieces*attentionRows)
	})
	return out
}

// attention is the state of one call.
type attention struct {
	out, q, k, v Tensor
	t, s         int // numbers of queries and keys
	heads, dim   int
	causal       bool
	keys, values []*matrix.Operand // per picture and head
}

func newAttention(m *Arena, out, q, k, v Tensor, heads int, causal bool) *attention {
	a := &attention{out: out, q: q, k: k, v: v, t: q.H * q.W, s: k.H * k.W, heads: heads, dim: q.C / heads, causal: causal}
	for range q.N * heads {
		a.keys = append(a.keys, matrix.Place(m.Floats(matrix.Size(a.dim, a.s)), a.dim, a.s))
		a.values = append(a.values, matrix.Place(m.Floats(matrix.Size(a.s, a.dim)), a.s, a.dim))
	}
	return a
}

// head views the channels of head i%heads in rows [from, from+n) of picture i/heads.
func (a *attention) head(x Tensor, i, from, n int) matrix.View {
	at := (i/a.heads*x.H*x.W+from)*x.C + i%a.heads*a.dim
	return matrix.View{Data: x.Data[at:], Rows: n, Cols: a.dim, Stride: x.C}
}

func (a *attention) prepare(i int) {
	a.keys[i].Fill(a.head(a.k, i, 0, a.s), true)
	a.values[i].Fill(a.head(a.v, i, 0, a.s), false)
}

// rows computes one piece of the queries of one head.
func (a *attention) rows(scores []float32, i, from int) {
	n := min(attentionRows, a.t-from)
	p := matrix.Dense(scores, n, a.s)
	matrix.Multiply(p, a.head(a.q, i, from, n), a.keys[i], nil)
	scale := float32(1 / math.Sqrt(float64(a.dim)))
	for r := range n {
		row := scores[r*a.s : (r+1)*a.s]
		if a.causal {
			clear(row[min(from+r+1, a.s):])
			row = row[:min(from+r+1, a.s)]
		}
		softmax(row, scale)
	}
	matrix.Multiply(a.head(a.out, i, from, n), p, a.values[i], nil)
}

// softmax replaces x by e^(scale x) divided by their sum.
func softmax(x []float32, scale float32) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := float32(0)
	for i, v := range x {
		e := exp(scale * (v - top))
		x[i] = e
		sum += e
	}
	inverse := 1 / sum
	for i := range x {
		x[i] *= inverse
	}
}
