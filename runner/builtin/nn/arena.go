package nn

// Arena lends memory in the order of a stack, so that a step of the sampler reuses what the step before it
// used. Lent memory has undefined contents. An arena belongs to one goroutine.
type Arena struct {
	slabs [][]float32
	slab  int // index of the slab that is being lent from
	used  int // floats lent from it
	lent  int // floats lent from all slabs
	peak  int // the most that were lent at one time

	team team
	// share runs a job on several goroutines: team.run, but for the benchmark that compares it with another way.
	share func(limit, tasks int, j job)

	sums []float64
	// One of each kind of job is enough: an operation ends before the next begins.
	product   product
	attention attention
	normalise normalise
	gate      gate
	merging   Merging
}

// slabSize is the least number of floats that the arena asks the system for: 1 MiB.
const slabSize = 1 << 18

// Mark is a place in the stack.
type Mark struct{ slab, used, lent int }

// Mark remembers the place. Everything lent after it is taken back by Release.
func (m *Arena) Mark() Mark { return Mark{m.slab, m.used, m.lent} }

// Release takes back what was lent since the mark. Where that is everything, the next user finds room for as much as was
// ever lent at one time in one piece, so that nothing is lost at the ends of pieces.
func (m *Arena) Release(at Mark) {
	m.slab, m.used, m.lent = at.slab, at.used, at.lent
	if at == (Mark{}) && len(m.slabs) > 1 {
		m.slabs = nil
		m.slabs = [][]float32{make([]float32, m.peak)}
	}
}

// Held returns the number of floats that the arena has got from the system.
func (m *Arena) Held() int {
	n := 0
	for _, slab := range m.slabs {
		n += len(slab)
	}
	return n
}

// Peak returns the most floats that were lent at one time.
func (m *Arena) Peak() int { return m.peak }

// Keep takes back what was lent since the mark, except x, which moves to where the mark is. So a chain of
// blocks needs room for one block only.
func (m *Arena) Keep(at Mark, x Tensor) Tensor {
	m.Release(at)
	out := m.Tensor(x.N, x.H, x.W, x.C)
	copy(out.Data, x.Data)
	return out
}

// Floats lends n floats.
func (m *Arena) Floats(n int) []float32 {
	if m.slab < len(m.slabs) && len(m.slabs[m.slab])-m.used < n && m.used > 0 {
		m.slab, m.used = m.slab+1, 0
	}
	if m.slab == len(m.slabs) {
		m.slabs = append(m.slabs, nil)
	}
	if len(m.slabs[m.slab])-m.used < n { // then nothing is lent from it
		m.slabs[m.slab] = nil
		m.slabs[m.slab] = make([]float32, max(n, slabSize))
	}
	out := m.slabs[m.slab][m.used : m.used+n : m.used+n]
	m.used += n
	m.lent += n
	m.peak = max(m.peak, m.lent)
	return out
}

// Tensor lends a tensor.
func (m *Arena) Tensor(n, h, w, c int) Tensor {
	return Tensor{Data: m.Floats(n * h * w * c), N: n, H: h, W: w, C: c}
}

// doubles lends n float64 until the next call.
func (m *Arena) doubles(n int) []float64 {
	if len(m.sums) < n {
		m.sums = make([]float64, n)
	}
	return m.sums[:n]
}
