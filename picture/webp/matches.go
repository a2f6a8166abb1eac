package webp

import "math/bits"

// symbol is a pixel or, with a length, that many pixels repeated from distance pixels before.
// The distance is already RFC 9649's distance code (section 3.6.2.2).
type symbol struct {
	pixel    uint32
	distance int32
	length   uint16
}

// channel gives green, red, blue and alpha, the order of the prefix codes.
func (s symbol) channel(i int) uint8 { return uint8(s.pixel >> [4]uint{8, 16, 0, 24}[i]) }

const (
	maxLength   = 4096
	maxDistance = 1<<20 - 120
	minLength   = 4
	maxTries    = 24
	hashBits    = 16
)

// matches finds repetitions greedily over chains of the places where a pair of pixels came before.
func (p argb) matches() []symbol {
	head, next := make([]int32, 1<<hashBits), make([]int32, len(p.pix)) // places plus one
	insert := func(i int) {
		if i+1 < len(p.pix) {
			h := pairHash(p.pix[i], p.pix[i+1])
			next[i], head[h] = head[h], int32(i+1)
		}
	}
	var out []symbol
	for i := 0; i < len(p.pix); {
		length, distance := p.longest(i, head, next)
		if length < minLength {
			out = append(out, symbol{pixel: p.pix[i]})
			length = 1
		} else {
			out = append(out, symbol{length: uint16(length), distance: int32(p.distanceCode(distance))})
		}
		for range length {
			insert(i)
			i++
		}
	}
	return out
}

func (p argb) longest(i int, head, next []int32) (length, distance int) {
	if i+minLength > len(p.pix) {
		return 0, 0
	}
	limit := min(maxLength, len(p.pix)-i)
	at := int(head[pairHash(p.pix[i], p.pix[i+1])]) - 1
	for tries := 0; at >= 0 && i-at <= maxDistance && tries < maxTries && length < limit; tries++ {
		n := 0
		for n < limit && p.pix[at+n] == p.pix[i+n] {
			n++
		}
		if n > length {
			length, distance = n, i-at
		}
		at = int(next[at]) - 1
	}
	return length, distance
}

func pairHash(a, b uint32) uint32 { return (a*0x9e3779b1 ^ b*0x85ebca77) >> (32 - hashBits) }

// distanceCode has short codes for the nearest neighbours in two dimensions; of their 120 places the
// ones above and to the left matter. Others are 120 more than the distance.
func (p argb) distanceCode(distance int) int {
	switch distance {
	case p.width:
		return 1
	case 1:
		return 2
	case p.width + 1:
		return 3
	case p.width - 1:
		return 4
	}
	return distance + 120
}

// prefix is a number's place in the prefix code and what follows it, RFC 9649 section 3.6.2.2.
type prefix struct {
	symbol int
	extra  uint32
	bits   int
}

func (s symbol) lengthPrefix() prefix   { return newPrefix(int(s.length)) }
func (s symbol) distancePrefix() prefix { return newPrefix(int(s.distance)) }

// newPrefix is for n from 1: the two highest bits of n-1 make the symbol, the rest are extra.
func newPrefix(n int) prefix {
	n--
	if n < 4 {
		return prefix{symbol: n}
	}
	extra := bits.Len(uint(n)) - 2
	return prefix{2*extra + n>>extra, uint32(n) & (1<<extra - 1), extra}
}
