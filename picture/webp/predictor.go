package webp

// tileBits is the logarithm of the side of the squares that share a predictor.
const tileBits = 4

// predictor gives a pixel from its neighbours left, top, top right and top left, RFC 9649 section 3.5.1.
type predictor func(l, t, tr, tl uint32) uint32

var predictors = [...]predictor{
	func(l, t, tr, tl uint32) uint32 { return 255 << 24 },
	func(l, t, tr, tl uint32) uint32 { return l },
	func(l, t, tr, tl uint32) uint32 { return t },
	func(l, t, tr, tl uint32) uint32 { return tr },
	func(l, t, tr, tl uint32) uint32 { return tl },
	func(l, t, tr, tl uint32) uint32 { return mean(mean(l, tr), t) },
	func(l, t, tr, tl uint32) uint32 { return mean(l, tl) },
	func(l, t, tr, tl uint32) uint32 { return mean(l, t) },
	func(l, t, tr, tl uint32) uint32 { return mean(tl, t) },
	func(l, t, tr, tl uint32) uint32 { return mean(t, tr) },
	func(l, t, tr, tl uint32) uint32 { return mean(mean(l, tl), mean(t, tr)) },
	func(l, t, tr, tl uint32) uint32 { return nearer(l, t, tl) },
	func(l, t, tr, tl uint32) uint32 {
		return channels(func(s uint) int { return int(l>>s&255) + int(t>>s&255) - int(tl>>s&255) })
	},
	func(l, t, tr, tl uint32) uint32 {
		m := mean(l, t)
		return channels(func(s uint) int { a := int(m >> s & 255); return a + (a-int(tl>>s&255))/2 })
	},
}

// predict chooses a predictor for each tile, by the sum of the residuals' magnitudes, and gives the
// choices as a picture of their own and the residuals.
func (p argb) predict() (modes, residuals argb) {
	residuals = argb{make([]uint32, len(p.pix)), p.width, p.height}
	const side = 1 << tileBits
	modes = argb{width: (p.width + side - 1) / side, height: (p.height + side - 1) / side}
	for y := 0; y < p.height; y += side {
		for x := 0; x < p.width; x += side {
			best, least := 0, -1
			for mode := range predictors {
				sum := 0
				p.tile(x, y, predictors[mode], func(_ int, r uint32) { sum += magnitude(r) })
				if least < 0 || sum < least {
					best, least = mode, sum
				}
			}
			p.tile(x, y, predictors[best], func(i int, r uint32) { residuals.pix[i] = r })
			modes.pix = append(modes.pix, 255<<24|uint32(best)<<8)
		}
	}
	return modes, residuals
}

// tile calls visit with the place and the residual of each pixel of a tile. The first row and column
// have predictors of their own; the last column's top right is the next pixel in memory.
func (p argb) tile(x0, y0 int, predict predictor, visit func(i int, residual uint32)) {
	for y := y0; y < min(y0+1<<tileBits, p.height); y++ {
		for x := x0; x < min(x0+1<<tileBits, p.width); x++ {
			i := y*p.width + x
			var guess uint32
			switch {
			case i == 0:
				guess = 255 << 24
			case y == 0:
				guess = p.pix[i-1]
			case x == 0:
				guess = p.pix[i-p.width]
			default:
				guess = predict(p.pix[i-1], p.pix[i-p.width], p.pix[i-p.width+1], p.pix[i-p.width-1])
			}
			visit(i, subtract(p.pix[i], guess))
		}
	}
}

// subtract takes b's channels from a's, each modulo 256: a guard bit above each keeps borrows apart.
func subtract(a, b uint32) uint32 {
	const even, odd = 0x00ff00ff, 0xff00ff00
	return ((a|odd)-(b&even))&even | ((a|even)-(b&odd))&odd
}

// mean halves the channels' sums, rounded down.
func mean(a, b uint32) uint32 { return ((a^b)&0xfefefefe)>>1 + a&b }

// nearer is left or top, whichever left + top - topleft is nearer to.
func nearer(l, t, tl uint32) uint32 {
	toLeft, toTop := 0, 0
	for s := uint(0); s < 32; s += 8 {
		c := int(tl >> s & 255)
		toLeft += abs(int(t>>s&255) - c)
		toTop += abs(int(l>>s&255) - c)
	}
	if toLeft < toTop {
		return l
	}
	return t
}

func channels(value func(shift uint) int) (c uint32) {
	for s := uint(0); s < 32; s += 8 {
		c |= uint32(clamp(value(s))) << s
	}
	return c
}

// magnitude is the sum over the channels as signed bytes.
func magnitude(residual uint32) (sum int) {
	for s := uint(0); s < 32; s += 8 {
		sum += abs(int(int8(residual >> s)))
	}
	return sum
}

func abs(v int) int { return max(v, -v) }
