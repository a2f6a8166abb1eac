package webp

import (
	"cmp"
	"math/bits"
	"slices"
)

// bitWriter packs numbers from the lowest bit on, RFC 9649 section 3.2.
type bitWriter struct {
	out     []byte
	pending uint64
	n       int
}

func (w *bitWriter) bits(v uint32, n int) {
	w.pending |= uint64(v) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.pending))
		w.pending >>= 8
	}
}

func (w *bitWriter) finish() []byte {
	if w.n > 0 {
		w.bits(0, 8-w.n)
	}
	return w.out
}

// prefixCode is a canonical Huffman code: each symbol's length, 0 for unused ones, and its bits in
// the order they are written.
type prefixCode struct {
	length []uint8
	code   []uint32
	lone   bool // at most one symbol is used
}

// newPrefixCode makes the best code for the counts with lengths up to limit, nearly: where a length
// is larger, small counts are raised until none is.
func newPrefixCode(count []uint32, limit uint8) prefixCode {
	for least := uint32(1); ; least *= 2 {
		length := huffmanLengths(count, least)
		if slices.Max(length) <= limit {
			return canonical(length)
		}
	}
}

// huffmanLengths merges the two lightest trees again and again. A lone symbol has length 1.
func huffmanLengths(count []uint32, least uint32) []uint8 {
	type tree struct {
		weight  uint64
		symbols []int
	}
	var leaves, merged []tree
	for s, n := range count {
		if n > 0 {
			leaves = append(leaves, tree{uint64(max(n, least)), []int{s}})
		}
	}
	slices.SortStableFunc(leaves, func(a, b tree) int { return cmp.Compare(a.weight, b.weight) })
	length := make([]uint8, len(count))
	if len(leaves) == 1 {
		length[leaves[0].symbols[0]] = 1
	}
	lightest := func() (t tree) {
		if len(merged) == 0 || len(leaves) > 0 && leaves[0].weight <= merged[0].weight {
			t, leaves = leaves[0], leaves[1:]
		} else {
			t, merged = merged[0], merged[1:]
		}
		return t
	}
	for len(leaves)+len(merged) > 1 {
		a, b := lightest(), lightest()
		symbols := slices.Concat(a.symbols, b.symbols)
		for _, s := range symbols {
			length[s]++
		}
		merged = append(merged, tree{a.weight + b.weight, symbols})
	}
	return length
}

// canonical numbers the codes by length and symbol, RFC 1951 section 3.2.2.
func canonical(length []uint8) prefixCode {
	c := prefixCode{length: length, code: make([]uint32, len(length))}
	next, used := uint32(0), 0
	for n := uint8(1); n <= 15; n++ {
		for s, l := range length {
			if l == n {
				c.code[s] = bits.Reverse32(next) >> (32 - n)
				next, used = next+1, used+1
			}
		}
		next <<= 1
	}
	c.lone = used < 2
	return c
}

// symbol writes one symbol; the only one of a code takes no bits.
func (w *bitWriter) symbol(c prefixCode, s int) {
	if !c.lone {
		w.bits(c.code[s], int(c.length[s]))
	}
}

// prefixCode writes the code itself, RFC 9649 section 3.7.2.1.
func (w *bitWriter) prefixCode(c prefixCode) {
	var used []int
	for s, l := range c.length {
		if l > 0 {
			used = append(used, s)
		}
	}
	switch {
	case len(used) == 0:
		w.simpleCode([]int{0})
	case len(used) <= 2 && used[len(used)-1] < 256:
		w.simpleCode(used)
	default:
		w.normalCode(c)
	}
}

// simpleCode names one or two symbols.
func (w *bitWriter) simpleCode(symbols []int) {
	w.bits(1, 1)
	w.bits(uint32(len(symbols)-1), 1)
	if symbols[0] < 2 {
		w.bits(0, 1)
		w.bits(uint32(symbols[0]), 1)
	} else {
		w.bits(1, 1)
		w.bits(uint32(symbols[0]), 8)
	}
	if len(symbols) == 2 {
		w.bits(uint32(symbols[1]), 8)
	}
}

// lengthOrder is the order in which the lengths' own code lengths come.
var lengthOrder = [19]int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// normalCode writes all lengths in a prefix code of their own.
func (w *bitWriter) normalCode(c prefixCode) {
	runs := runsOf(c.length)
	count := make([]uint32, 19)
	for _, r := range runs {
		count[r.symbol]++
	}
	lengths := newPrefixCode(count, 7)
	n := 19
	for n > 4 && lengths.length[lengthOrder[n-1]] == 0 {
		n--
	}
	w.bits(0, 1)
	w.bits(uint32(n-4), 4)
	for _, s := range lengthOrder[:n] {
		w.bits(uint32(lengths.length[s]), 3)
	}
	w.bits(0, 1) // lengths for the whole alphabet
	for _, r := range runs {
		w.prefixed(lengths, 0, r)
	}
}

// runsOf shortens lengths: 17 and 18 are runs of zeros, 16 repeats the length before.
func runsOf(length []uint8) (runs []prefix) {
	for i := 0; i < len(length); {
		n := 1
		for i+n < len(length) && length[i+n] == length[i] {
			n++
		}
		switch {
		case length[i] == 0 && n >= 11:
			n = min(n, 138)
			runs = append(runs, prefix{18, uint32(n - 11), 7})
		case length[i] == 0 && n >= 3:
			runs = append(runs, prefix{17, uint32(n - 3), 3})
		case i > 0 && length[i] != 0 && length[i] == length[i-1] && n >= 3:
			n = min(n, 6)
			runs = append(runs, prefix{16, uint32(n - 3), 2})
		default:
			n = 1
			runs = append(runs, prefix{symbol: int(length[i])})
		}
		i += n
	}
	return runs
}
