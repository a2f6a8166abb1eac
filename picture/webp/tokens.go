package webp

// Kinds of block, RFC 6386 section 13.3: the first index of the coefficient probabilities.
const (
	lumaAC = iota // the DC is in the walsh block
	walshDC
	chromaBoth
	lumaBoth
	kinds
)

const (
	bands    = 8
	contexts = 3
	nodes    = 11
	probs    = kinds * bands * contexts * nodes
)

// band groups coefficient positions, RFC 6386 section 13.3.
var band = [16]int{0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7}

// row is where the nodes' probabilities for a coefficient begin.
func row(kind, position, context int) int {
	return ((kind*bands+band[position])*contexts + context) * nodes
}

// tokenPath leads from node 1 of the coefficient tree to the tokens 0 to 4 and to the six categories
// with extra bits, RFC 6386 section 13.2. Node 0 asks whether the block goes on.
var tokenPath = [...][]branch{
	{{1, 0}},
	{{1, 1}, {2, 0}},
	{{1, 1}, {2, 1}, {3, 0}, {4, 0}},
	{{1, 1}, {2, 1}, {3, 0}, {4, 1}, {5, 0}},
	{{1, 1}, {2, 1}, {3, 0}, {4, 1}, {5, 1}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 0}, {7, 0}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 0}, {7, 1}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 1}, {8, 0}, {9, 0}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 1}, {8, 0}, {9, 1}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 1}, {8, 1}, {10, 0}},
	{{1, 1}, {2, 1}, {3, 1}, {6, 1}, {8, 1}, {10, 1}},
}

// category is a token with extra bits: the smallest magnitude and each bit's probability.
type category struct {
	base  int
	extra []uint8
}

var categories = [...]category{
	{5, []uint8{159}},
	{7, []uint8{165, 145}},
	{11, []uint8{173, 148, 140}},
	{19, []uint8{176, 155, 140, 135}},
	{35, []uint8{180, 157, 141, 134, 130}},
	{67, []uint8{254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}},
}

// tokenOf is the token of a magnitude.
func tokenOf(magnitude int) int {
	token := min(magnitude, 4)
	for _, c := range categories {
		if magnitude >= c.base {
			token++
		}
	}
	return token
}

// extraBits calls emit for the bits that follow token: the magnitude's rest, then the sign.
func extraBits(level, token int, emit func(prob, bit uint8)) {
	if token >= 5 {
		c := categories[token-5]
		rest := max(level, -level) - c.base
		for i, prob := range c.extra {
			emit(prob, uint8(rest>>(len(c.extra)-1-i)&1))
		}
	}
	if level > 0 {
		emit(128, 0)
	} else if level < 0 {
		emit(128, 1)
	}
}

// recorded is one coded bool waiting for the final probabilities: the bit on top, then whether the
// rest is a probability itself or the index of one.
type recorded uint16

const (
	recordedBit   recorded = 1 << 15
	recordedFixed recorded = 1 << 14
)

// recorder keeps a token partition until all of the picture is counted.
type recorder []recorded

func (r *recorder) put(v recorded, bit uint8) { *r = append(*r, v|recorded(bit)<<15) }

// write codes what was recorded.
func (r recorder) write(w *boolWriter, prob *[probs]uint8) {
	for _, v := range r {
		bit, p := uint8(v>>15), uint8(v)
		if v&recordedFixed == 0 {
			p = prob[v&^recordedBit]
		}
		w.bit(p, bit)
	}
}

// record codes a block from position first on, RFC 6386 section 13, and counts its branches.
func (m *model) record(r *recorder, kind, context, first int, l *levels) {
	put := func(node int, bit uint8) {
		m.count[node][bit]++
		r.put(recorded(node), bit)
	}
	fixed := func(prob, bit uint8) { r.put(recordedFixed|recorded(prob), bit) }
	end := l.end(first)
	afterZero := false
	for i := first; i < 16; i++ {
		base := row(kind, i, context)
		if i == end {
			put(base, 0)
			return
		}
		if !afterZero {
			put(base, 1)
		}
		level := int(l[i])
		token := tokenOf(max(level, -level))
		for _, b := range tokenPath[token] {
			put(base+int(b.node), b.bit)
		}
		extraBits(level, token, fixed)
		context, afterZero = min(token, 2), token == 0
	}
}

// end is the position after the last level that is not zero, at least first.
func (l *levels) end(first int) int {
	end := 16
	for end > first && l[end-1] == 0 {
		end--
	}
	return end
}
