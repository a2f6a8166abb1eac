package scheduler

// sized returns a slice of n elements, the given one where it is large enough.
func sized(buffer []float32, n int) []float32 {
	if cap(buffer) < n {
		return make([]float32, n)
	}
	return buffer[:n]
}

// draw fills the buffer with n fresh numbers.
func draw(random Random, buffer []float32, n int) []float32 {
	buffer = sized(buffer, n)
	random.Normal(buffer)
	return buffer
}

// history keeps what a multistep method remembers of the last calls.
type history struct {
	kept  [][]float32 // oldest first
	limit int
}

// push returns a slice of n elements for the newest entry. The oldest is forgotten at the limit.
func (h *history) push(n int) []float32 {
	if len(h.kept) < h.limit {
		h.kept = append(h.kept, make([]float32, n))
		return h.kept[len(h.kept)-1]
	}
	oldest := sized(h.kept[0], n)
	copy(h.kept, h.kept[1:])
	h.kept[len(h.kept)-1] = oldest
	return oldest
}

// last returns an entry, 0 for the newest.
func (h *history) last(back int) []float32 { return h.kept[len(h.kept)-1-back] }
