package webp

import (
	"image"
	"slices"
)

// argb are pixels as VP8L counts them: alpha in the highest byte, then red, green and blue.
type argb struct {
	pix           []uint32
	width, height int
}

// Transforms of RFC 9649 section 3.5: the two bits that name them.
const (
	transformPredictor     = 0
	transformSubtractGreen = 2
	transformPalette       = 3
)

// encodeLossless is the payload of a VP8L chunk, RFC 9649 section 3.4.
func encodeLossless(m *image.NRGBA) []byte {
	p := argb{make([]uint32, m.Rect.Dx()*m.Rect.Dy()), m.Rect.Dx(), m.Rect.Dy()}
	for i := range p.pix {
		c := m.Pix[4*i:][:4]
		p.pix[i] = uint32(c[3])<<24 | uint32(c[0])<<16 | uint32(c[1])<<8 | uint32(c[2])
	}
	const signature = 0x2f
	var w bitWriter
	w.bits(signature, 8)
	w.bits(uint32(p.width-1), 14)
	w.bits(uint32(p.height-1), 14)
	w.bits(uint32(one(!m.Opaque())), 1)
	w.bits(0, 3) // version
	return append(w.finish(), p.stream()...)
}

// encodeAlpha is the payload of an ALPH chunk, RFC 9649 section 2.7.1.2: the alpha values as the green
// of a VP8L stream without header, or as they are where that is shorter.
func encodeAlpha(m *image.NRGBA) []byte {
	const raw, lossless = 0, 1
	p := argb{make([]uint32, m.Rect.Dx()*m.Rect.Dy()), m.Rect.Dx(), m.Rect.Dy()}
	plain := make([]byte, 1, 1+len(p.pix))
	plain[0] = raw
	for i := range p.pix {
		alpha := m.Pix[4*i+3]
		p.pix[i] = 255<<24 | uint32(alpha)<<8
		plain = append(plain, alpha)
	}
	if packed := append([]byte{lossless}, p.stream()...); len(packed) < len(plain) {
		return packed
	}
	return plain
}

// stream is a spatially coded image, RFC 9649 section 3.8: of predicted pixels or, for few colours,
// of palette indices, whichever is shorter. The header before it is five whole bytes.
func (p argb) stream() []byte {
	colours := p.colours()
	predicted := argb{slices.Clone(p.pix), p.width, p.height}.predictedStream()
	if colours == nil {
		return predicted
	}
	if indexed := p.indexedStream(colours); len(indexed) < len(predicted) {
		return indexed
	}
	return predicted
}

// colours are the picture's colours in order, or nil for more than a palette can have.
func (p argb) colours() []uint32 {
	seen := make(map[uint32]bool)
	for i, c := range p.pix {
		if i > 0 && c == p.pix[i-1] {
			continue
		}
		if seen[c] = true; len(seen) > 256 {
			return nil
		}
	}
	list := make([]uint32, 0, len(seen))
	for c := range seen {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

// indexedStream uses the colour indexing transform, RFC 9649 section 3.5.4: the palette is coded as
// differences, and several indices of a small palette share a pixel.
func (p argb) indexedStream(colours []uint32) []byte {
	var w bitWriter
	w.bits(1, 1)
	w.bits(transformPalette, 2)
	w.bits(uint32(len(colours)-1), 8)
	index := make(map[uint32]uint32, len(colours))
	table := argb{make([]uint32, len(colours)), len(colours), 1}
	previous := uint32(0)
	for i, c := range colours {
		index[c], table.pix[i], previous = uint32(i), subtract(c, previous), c
	}
	w.image(table, false)
	shared := 0 // logarithm of the indices in a pixel
	switch n := len(colours); {
	case n <= 2:
		shared = 3
	case n <= 4:
		shared = 2
	case n <= 16:
		shared = 1
	}
	bundled := argb{width: (p.width + 1<<shared - 1) >> shared, height: p.height}
	bundled.pix = make([]uint32, bundled.width*bundled.height)
	for i, c := range p.pix {
		x, y := i%p.width, i/p.width
		within := x & (1<<shared - 1) * (8 >> shared)
		bundled.pix[y*bundled.width+x>>shared] |= 255<<24 | index[c]<<(8+within)
	}
	w.bits(0, 1) // no more transforms
	w.image(bundled, true)
	return w.finish()
}

// predictedStream overwrites p with its residuals: red and blue less green (RFC 9649 section 3.5.3),
// then the difference from the pixels around (section 3.5.1).
func (p argb) predictedStream() []byte {
	var w bitWriter
	w.bits(1, 1)
	w.bits(transformSubtractGreen, 2)
	for i, c := range p.pix {
		green := c >> 8 & 255
		p.pix[i] = subtract(c, green<<16|green)
	}
	w.bits(1, 1)
	w.bits(transformPredictor, 2)
	w.bits(tileBits-2, 3)
	modes, residuals := p.predict()
	w.image(modes, false)
	w.bits(0, 1) // no more transforms
	w.image(residuals, true)
	return w.finish()
}

// image codes one entropy-coded image, RFC 9649 section 3.8.3, with one group of prefix codes and
// without a colour cache. Only the main one states that it has no map of groups.
func (w *bitWriter) image(p argb, main bool) {
	w.bits(0, 1)
	if main {
		w.bits(0, 1)
	}
	symbols := p.matches()
	var count [5][]uint32
	for i, n := range [5]int{256 + 24, 256, 256, 256, 40} {
		count[i] = make([]uint32, n)
	}
	for _, s := range symbols {
		if s.length > 0 {
			count[0][256+s.lengthPrefix().symbol]++
			count[4][s.distancePrefix().symbol]++
			continue
		}
		for i := range 4 {
			count[i][s.channel(i)]++
		}
	}
	var codes [5]prefixCode
	for i := range codes {
		codes[i] = newPrefixCode(count[i], 15)
		w.prefixCode(codes[i])
	}
	for _, s := range symbols {
		if s.length > 0 {
			w.prefixed(codes[0], 256, s.lengthPrefix())
			w.prefixed(codes[4], 0, s.distancePrefix())
			continue
		}
		for i := range 4 {
			w.symbol(codes[i], int(s.channel(i)))
		}
	}
}

// prefixed writes a number's prefix and its extra bits.
func (w *bitWriter) prefixed(code prefixCode, offset int, p prefix) {
	w.symbol(code, offset+p.symbol)
	w.bits(p.extra, p.bits)
}
