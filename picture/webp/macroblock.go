package webp

// macroblock is what the first partition holds about 16x16 pixels.
type macroblock struct {
	ownModes bool      // of the subblocks
	luma     uint8     // without ownModes
	sub      [16]uint8 // with ownModes; else luma, for the neighbours' contexts
	chroma   uint8
	skip     bool // no coefficients
}

// nonzero remembers for the contexts which blocks along an edge had coefficients.
type nonzero struct {
	luma   [4]int
	chroma [2][2]int
	walsh  int
}

// coefficients are a macroblock's levels.
type coefficients struct {
	walsh  levels
	luma   [16]levels
	chroma [2][4]levels
}

// trial is one way to code a part of a macroblock: its samples as a decoder will see them and
// 256 times the squared error plus lambda times the rate.
type trial struct {
	pix   [256]uint8
	score int64
}

// score weighs a squared error against 1/256 bits. A step q makes an error of q*q/12 per orthonormal
// coefficient and halves it to a quarter per bit, so lambda is (2 ln 2)/12 q*q; VP8's coefficients
// are twice the orthonormal ones.
func score(squares int, rate int32, step int32) int64 {
	lambda := int64(step) * int64(step) * 7
	return int64(squares)<<8 + int64(rate)*lambda>>8
}

// residual takes the differences of a 4x4 block at x, y from its prediction in rows of stride.
func residual(src *plane, x, y int, pred []uint8, stride int) (b block) {
	for j := range 4 {
		s, p := src.pix[src.at(x, y+j):][:4], pred[j*stride:][:4]
		for i := range 4 {
			b[4*j+i] = int32(s[i]) - int32(p[i])
		}
	}
	return b
}

// reconstruct adds a block to its prediction in place and gives the squared error.
func reconstruct(src *plane, x, y int, b *block, pred []uint8, stride int) (squares int) {
	for j := range 4 {
		s, p := src.pix[src.at(x, y+j):][:4], pred[j*stride:][:4]
		for i := range 4 {
			p[i] = clamp(int(p[i]) + int(b[4*j+i]))
			d := int(s[i]) - int(p[i])
			squares += d * d
		}
	}
	return squares
}

// store copies a square of samples into the reconstruction.
func (p *plane) store(x, y, side int, pix []uint8) {
	for j := range side {
		copy(p.pix[p.at(x, y+j):][:side], pix[j*side:])
	}
}

// whole tries a luma mode for all of a macroblock.
func (f *frame) whole(mode uint8, mbx, mby int, t *trial, c *coefficients) {
	x, y := 16*mbx, 16*mby
	predictWhole(mode, &f.rec[0], x, y, 16, t.pix[:])
	var blocks [16]block
	var dc block
	for i := range blocks {
		blocks[i] = residual(&f.src[0], x+i%4*4, y+i/4*4, t.pix[i/4*64+i%4*4:], 16)
		blocks[i].forward()
		dc[i] = blocks[i][0]
	}
	dc.walsh(1, 1)
	f.walsh.quantize(&dc, 0, &c.walsh)
	rate := pathCost(lumaProb, lumaPath[mode])
	rate += f.model.rate(walshDC, f.above[mbx].walsh+f.left.walsh, 0, &c.walsh)
	dc.walsh(3, 3)
	above, left, squares := f.above[mbx].luma, f.left.luma, 0
	for i := range blocks {
		any := f.luma.quantize(&blocks[i], 1, &c.luma[i])
		c.luma[i][0] = 0
		rate += f.model.rate(lumaAC, above[i%4]+left[i/4], 1, &c.luma[i])
		above[i%4], left[i/4] = one(any), one(any)
		blocks[i][0] = dc[i]
		blocks[i].inverse()
		squares += reconstruct(&f.src[0], x+i%4*4, y+i/4*4, &blocks[i], t.pix[i/4*64+i%4*4:], 16)
	}
	t.score = score(squares, rate, f.luma.ac)
}

// parts finds modes for the subblocks one after the other, straight in the reconstruction. It gives
// up when the score reaches limit.
func (f *frame) parts(mbx, mby int, limit int64, mb *macroblock, c *coefficients) (better bool) {
	x, y := 16*mbx, 16*mby
	total := score(0, pathCost(lumaProb, subPath), f.luma.ac)
	above, left := f.above[mbx].luma, f.left.luma
	for i := range 16 {
		prob := &subModeProb[f.modeAbove(mbx, mby, mb, i)][f.modeLeft(mbx, mby, mb, i)]
		e := edgeOf(&f.rec[0], x, y, i)
		s := e.smoothed()
		var best trial4
		best.score = -1
		for mode := range uint8(subModes) {
			t := trial4{mode: mode}
			predictSub(mode, &e, &s, &t.pix)
			b := residual(&f.src[0], x+i%4*4, y+i/4*4, t.pix[:], 4)
			b.forward()
			t.any = f.luma.quantize(&b, 0, &t.levels)
			rate := pathCost(prob[:], subModePath[mode]) + f.model.rate(lumaBoth, above[i%4]+left[i/4], 0, &t.levels)
			b.inverse()
			t.score = score(reconstruct(&f.src[0], x+i%4*4, y+i/4*4, &b, t.pix[:], 4), rate, f.luma.ac)
			if best.score < 0 || t.score < best.score {
				best = t
			}
		}
		if total += best.score; total >= limit {
			return false
		}
		mb.sub[i], c.luma[i] = best.mode, best.levels
		above[i%4], left[i/4] = one(best.any), one(best.any)
		f.rec[0].store(x+i%4*4, y+i/4*4, 4, best.pix[:])
	}
	return true
}

// trial4 is a trial of a subblock.
type trial4 struct {
	pix    [16]uint8
	levels levels
	score  int64
	mode   uint8
	any    bool
}

// modeAbove and modeLeft are the contexts of subblock i's mode; outside the picture it is DC,
// RFC 6386 section 11.3.
func (f *frame) modeAbove(mbx, mby int, mb *macroblock, i int) uint8 {
	if i >= 4 {
		return mb.sub[i-4]
	}
	if mby == 0 {
		return predDC
	}
	return f.mbs[(mby-1)*f.mbw+mbx].sub[i+12]
}

func (f *frame) modeLeft(mbx, mby int, mb *macroblock, i int) uint8 {
	if i%4 > 0 {
		return mb.sub[i-1]
	}
	if mbx == 0 {
		return predDC
	}
	return f.mbs[mby*f.mbw+mbx-1].sub[i+3]
}

// colour tries a chroma mode; both components share it. The samples of V follow those of U.
func (f *frame) colour(mode uint8, mbx, mby int, t *trial, c *coefficients) {
	x, y := 8*mbx, 8*mby
	rate, squares := pathCost(chromaProb, chromaPath[mode]), 0
	for k := range 2 {
		src, pix := &f.src[1+k], t.pix[64*k:][:64]
		predictWhole(mode, &f.rec[1+k], x, y, 8, pix)
		above, left := f.above[mbx].chroma[k], f.left.chroma[k]
		for i := range 4 {
			at := pix[i/2*32+i%2*4:]
			b := residual(src, x+i%2*4, y+i/2*4, at, 8)
			b.forward()
			any := f.chroma.quantize(&b, 0, &c.chroma[k][i])
			rate += f.model.rate(chromaBoth, above[i%2]+left[i/2], 0, &c.chroma[k][i])
			above[i%2], left[i/2] = one(any), one(any)
			b.inverse()
			squares += reconstruct(src, x+i%2*4, y+i/2*4, &b, at, 8)
		}
	}
	t.score = score(squares, rate, f.chroma.ac)
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// choose finds the modes with the best score and leaves the macroblock in the reconstruction.
func (f *frame) choose(mbx, mby int) (mb macroblock, c coefficients) {
	if f.hidden(mbx, mby) {
		f.guess(mbx, mby)
		return mb, c
	}
	modes := uint8(wholeModes)
	if f.effort == onlyDC {
		modes = 1
	}
	var best, t trial
	var tried coefficients
	for mode := range modes {
		f.whole(mode, mbx, mby, &t, &tried)
		if mode == 0 || t.score < best.score {
			best, c.walsh, c.luma, mb.luma = t, tried.walsh, tried.luma, mode
		}
	}
	own := tried
	if modes > 1 && f.effort == allModes && f.parts(mbx, mby, best.score, &mb, &own) {
		mb.ownModes, c.luma, c.walsh = true, own.luma, levels{}
	} else {
		for i := range mb.sub {
			mb.sub[i] = mb.luma
		}
		f.rec[0].store(16*mbx, 16*mby, 16, best.pix[:])
	}
	for mode := range modes {
		f.colour(mode, mbx, mby, &t, &tried)
		if mode == 0 || t.score < best.score {
			best, c.chroma, mb.chroma = t, tried.chroma, mode
		}
	}
	for k := range 2 {
		f.rec[1+k].store(8*mbx, 8*mby, 8, best.pix[64*k:])
	}
	return mb, c
}

// guess leaves the plain DC prediction of a macroblock in the reconstruction.
func (f *frame) guess(mbx, mby int) {
	var pix [256]uint8
	for k, side := range [3]int{16, 8, 8} {
		predictWhole(predDC, &f.rec[k], side*mbx, side*mby, side, pix[:])
		f.rec[k].store(side*mbx, side*mby, side, pix[:])
	}
}
