package webp

import "math"

// zigzag is the order of the coefficients in the stream, RFC 6386 section 13.
var zigzag = [16]uint8{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15}

// levels are a block's quantised coefficients in zigzag order.
type levels [16]int16

// maxLevel is the largest magnitude used: the last token has eleven extra bits.
const maxLevel = 2047

// quantizer has the steps for one kind of block and how far below a half they still round up:
// less for AC, whose distribution is peaked at zero.
type quantizer struct{ dc, ac, dcBias, acBias int32 }

func newQuantizer(dc, ac int32) quantizer {
	return quantizer{dc: dc, ac: ac, dcBias: dc * 7 / 16, acBias: ac * 13 / 32}
}

// quantizers are for luma, the luma DCs' own block and chroma, RFC 6386 sections 9.6 and 14.1.
func quantizers(index int) (luma, walsh, chroma quantizer) {
	dc, ac := dcStep[index], acStep[index]
	return newQuantizer(dc, ac), newQuantizer(2*dc, max(8, ac*155/100)), newQuantizer(min(dc, 132), ac)
}

// quantize makes levels of the coefficients from first on and puts what a decoder will make of them
// back into b. It reports whether any is not zero.
func (q quantizer) quantize(b *block, first int, out *levels) (any bool) {
	for i := first; i < 16; i++ {
		step, bias := q.ac, q.acBias
		if i == 0 {
			step, bias = q.dc, q.dcBias
		}
		v := &b[zigzag[i]]
		level := min((max(*v, -*v)+bias)/step, maxLevel)
		if *v < 0 {
			level = -level
		}
		out[i], *v = int16(level), level*step
		any = any || level != 0
	}
	return any
}

// quantizerIndex is libwebp's curve, so that a quality means about the same here: the share of the
// range is a cube root of the quality, linear below and steeper above 75.
func quantizerIndex(quality int) int {
	c := float64(quality) / 100
	if c < 0.75 {
		c *= 2. / 3
	} else {
		c = 2*c - 1
	}
	return int(127*(1-math.Cbrt(c)) + 0.5)
}

// filterLevel is the loop filter's strength (RFC 6386 section 15.3) for a step size: it smooths steps
// about as large as the quantiser can make.
func filterLevel(index int) int {
	level := int(acStep[index]) / 4
	if level < 2 {
		return 0
	}
	return min(level, 63)
}
