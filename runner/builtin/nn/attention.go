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
	a := &m.attention
	a.begin(m, out, q, k, v, heads, causal)
	cost := q.N * a.t * a.s * q.C * 2
	limit := workers(cost)
	a.preparing = true
	m.parallel(limit, q.N*heads, a)
	a.preparing = false
	a.scores = m.Floats(limit * attentionRows * a.stride)
	m.parallel(limit, q.N*heads*a.pieces, a)
	return out
}

// attention is the job of one call. First each head's keys and values are brought into the order that products read, then
// a piece of the queries of one head is a task.
type attention struct {
	out, q, k, v Tensor
	t, s         int // numbers of queries and keys
	stride       int // s rounded up to whole vectors
	pieces       int // of the queries
	heads, dim   int
	causal       bool
	preparing    bool
	keys, values []matrix.Operand // per picture and head
	scores       []float32        // per worker
}

func (a *attention) begin(m *Arena, out, q, k, v Tensor, heads int, causal bool) {
	keys, values := a.keys[:0], a.values[:0]
	*a = attention{out: out, q: q, k: k, v: v, t: q.H * q.W, s: k.H * k.W, heads: heads, dim: q.C / heads, causal: causal}
	a.stride = (a.s + lanes - 1) / lanes * lanes
	a.pieces = (a.t + attentionRows - 1) / attentionRows
	for range q.N * heads {
		keys = append(keys, matrix.Place(m.Floats(matrix.Size(a.dim, a.s)), a.dim, a.s))
		values = append(values, matrix.Place(m.Floats(matrix.Size(a.s, a.dim)), a.s, a.dim))
	}
	a.keys, a.values = keys, values
}

// head views the channels of head i%heads in rows [from, from+n) of picture i/heads.
func (a *attention) head(x Tensor, i, from, n int) matrix.View {
	at := (i/a.heads*x.H*x.W+from)*x.C + i%a.heads*a.dim
	return matrix.View{Data: x.Data[at:], Rows: n, Cols: a.dim, Stride: x.C}
}

func (a *attention) do(worker, i int) {
	if a.preparing {
		a.keys[i].Fill(a.head(a.k, i, 0, a.s), true)
		a.values[i].Fill(a.head(a.v, i, 0, a.s), false)
		return
	}
	size := attentionRows * a.stride
	a.rows(a.scores[worker*size:(worker+1)*size], i/a.pieces, i%a.pieces*attentionRows)
}

// rows computes one piece of the queries of one head.
func (a *attention) rows(scores []float32, i, from int) {
	n := min(attentionRows, a.t-from)
	p := matrix.View{Data: scores, Rows: n, Cols: a.s, Stride: a.stride}
	matrix.Multiply(p, a.head(a.q, i, from, n), &a.keys[i], nil)
	scale := float32(1 / math.Sqrt(float64(a.dim)))
	for r := range n {
		seen := a.s
		if a.causal {
			seen = min(from+r+1, a.s)
		}
		softmax(scores[r*a.stride:(r+1)*a.stride], seen, scale)
	}
	matrix.Multiply(a.head(a.out, i, from, n), p, &a.values[i], nil)
}

// softmax replaces the first n of x by e^(scale x) divided by their sum, and the others, at most one vector less one or
// those that causality hides, by 0.
func softmax(x []float32, n int, scale float32) {
	if vectors() {
		for i := n; i < len(x); i++ {
			x[i] = float32(math.Inf(-1))
		}
		softmax8(&x[0], len(x), scale)
		return
	}
	clear(x[n:])
	x = x[:n]
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
