package webp

import "math/bits"

// boolWriter is the arithmetic coder of RFC 6386 section 7.3.
type boolWriter struct {
	out   []byte
	low   uint32 // the bottom of the interval: 8+shift bits and one for a carry
	width uint32 // of the interval, 128 to 255
	shift int    // bits of low below its top byte
}

func newBoolWriter() *boolWriter { return &boolWriter{width: 255} }

// bit codes one bool whose probability of being 0 is prob/256.
func (w *boolWriter) bit(prob, bit uint8) {
	split := 1 + (w.width-1)*uint32(prob)>>8
	if bit == 0 {
		w.width = split
	} else {
		w.low += split
		w.width -= split
	}
	n := bits.LeadingZeros8(uint8(w.width))
	w.width <<= n
	w.low <<= n
	if w.shift += n; w.shift >= 8 {
		w.flushByte()
	}
}

// flushByte moves the top byte out; a carry runs through the bytes that are all ones.
func (w *boolWriter) flushByte() {
	top := w.low >> w.shift
	if top > 255 {
		i := len(w.out) - 1
		for ; w.out[i] == 255; i-- {
			w.out[i] = 0
		}
		w.out[i]++
	}
	w.out = append(w.out, byte(top))
	w.low &= 1<<w.shift - 1
	w.shift -= 8
}

// literal codes the low n bits of v, the highest first, at even odds.
func (w *boolWriter) literal(v, n int) {
	for n--; n >= 0; n-- {
		w.bit(128, uint8(v>>n&1))
	}
}

// branch is one step on the way from the root of a tree to a leaf (RFC 6386 section 8.1).
type branch struct{ node, bit uint8 }

// path codes a leaf of a tree whose nodes have the probabilities prob.
func (w *boolWriter) path(prob []uint8, path []branch) {
	for _, b := range path {
		w.bit(prob[b.node], b.bit)
	}
}

// finish gives the coded bytes, with enough of them for a decoder that reads ahead.
func (w *boolWriter) finish() []byte {
	for range 3 {
		w.low <<= 8 - w.shift
		w.shift = 8
		w.flushByte()
	}
	return w.out
}
