package webp

import (
	"encoding/binary"
	"errors"
	"image"
	"math/bits"
)

// effort is which modes are tried: fewer where the first partition would not fit its length field.
type effort int

const (
	allModes effort = iota
	wholeOnly
	onlyDC // and no macroblock is marked as skipped
)

// Limits of the length fields, RFC 6386 sections 9.1 and 9.5.
const (
	maxFirst  = 1<<19 - 1
	maxTokens = 1<<24 - 1
)

var errTooMuch = errors.New("webp: the picture needs more coefficient data than the format has room for")

// frame is the state of coding one key frame.
type frame struct {
	m        *image.NRGBA
	mbw, mbh int
	effort   effort
	index    int
	filter   int

	luma, walsh, chroma quantizer

	src, rec [3]plane // rec is what a decoder has before the loop filter
	model    *model
	mbs      []macroblock
	above    []nonzero
	left     nonzero
	tokens   []recorder // by partition; macroblock rows take turns
}

// encodeFrame is the payload of a "VP8 " chunk.
func encodeFrame(m *image.NRGBA, index int) ([]byte, error) {
	f := newFrame(m, index, filterLevel(index))
	return f.assemble(f.within(maxFirst))
}

// within gives a first partition of at most limit bytes, if any effort makes one so small. With
// maxFirst and onlyDC each picture up to MaxSize does: 3.4 bits for each macroblock.
func (f *frame) within(limit int) []byte {
	first := f.encode(allModes)
	for e := wholeOnly; e <= onlyDC && len(first) > limit; e++ {
		first = f.encode(e)
	}
	return first
}

func newFrame(m *image.NRGBA, index, filter int) *frame {
	f := &frame{m: m, mbw: (m.Rect.Dx() + 15) / 16, mbh: (m.Rect.Dy() + 15) / 16, index: index, filter: filter, src: yuv(m)}
	f.luma, f.walsh, f.chroma = quantizers(index)
	f.mbs, f.above = make([]macroblock, f.mbw*f.mbh), make([]nonzero, f.mbw)
	f.tokens = make([]recorder, 1)
	if f.mbw*f.mbh > 1<<14 {
		f.tokens = make([]recorder, 8) // one alone could outgrow what decoders accept
	}
	return f
}

// encode codes all macroblocks and gives the first partition.
func (f *frame) encode(e effort) []byte {
	f.effort, f.model = e, newModel()
	for i := range f.rec {
		f.rec[i] = bordered(f.src[i].width, f.src[i].height)
	}
	clear(f.above)
	for i := range f.tokens {
		f.tokens[i] = f.tokens[i][:0]
	}
	for mby := range f.mbh {
		f.left = nonzero{}
		for mbx := range f.mbw {
			mb, c := f.choose(mbx, mby)
			mb.skip = e != onlyDC && c == coefficients{}
			f.record(mbx, mby, &mb, &c)
			f.mbs[mby*f.mbw+mbx] = mb
		}
		f.rec[0].extend(16*mby + 15)
		f.model.learn()
	}
	return f.header()
}

// bordered makes a plane with what prediction sees outside the picture: 127 above, also to the right,
// and 129 on the left, RFC 6386 section 12.2.
func bordered(width, height int) plane {
	p := plane{width: width, height: height, stride: width + 5}
	p.origin = p.stride + 1
	p.pix = make([]uint8, p.stride*(height+1))
	for i := range p.stride {
		p.pix[i] = 127
	}
	for y := range height {
		p.pix[p.at(-1, y)] = 129
	}
	return p
}

// extend repeats a row's last sample for the subblocks that look beyond the right edge.
func (p *plane) extend(y int) {
	for i := range 4 {
		p.pix[p.at(p.width+i, y)] = p.pix[p.at(p.width-1, y)]
	}
}

// hidden means that no pixel of a macroblock can be seen, so that any colour will do.
func (f *frame) hidden(mbx, mby int) bool {
	for y := range 16 {
		for x := range 16 {
			if source(f.m, 16*mbx+x, 16*mby+y)[3] != 0 {
				return false
			}
		}
	}
	return true
}

// record writes a macroblock's blocks in the order of RFC 6386 section 13 and keeps the contexts.
// One without coefficients only clears them; the walsh context stays where there is no such block.
func (f *frame) record(mbx, mby int, mb *macroblock, c *coefficients) {
	above, left, r := &f.above[mbx], &f.left, &f.tokens[mby%len(f.tokens)]
	write := func(kind, first int, l *levels, above, left *int) {
		if !mb.skip {
			f.model.record(r, kind, *above+*left, first, l)
		}
		*above = one(l.end(first) > first)
		*left = *above
	}
	kind, first := lumaBoth, 0
	if !mb.ownModes {
		kind, first = lumaAC, 1
		write(walshDC, 0, &c.walsh, &above.walsh, &left.walsh)
	}
	for i := range c.luma {
		write(kind, first, &c.luma[i], &above.luma[i%4], &left.luma[i/4])
	}
	for k := range c.chroma {
		for i := range c.chroma[k] {
			write(chromaBoth, 0, &c.chroma[k][i], &above.chroma[k][i%2], &left.chroma[k][i/2])
		}
	}
}

// header is the first partition: the frame header of RFC 6386 section 9.2 to 9.11 (19.2) and the
// macroblock headers of section 19.3.
func (f *frame) header() []byte {
	w := newBoolWriter()
	w.literal(0, 1) // colour space: BT.601
	w.literal(0, 1) // clamping is required
	w.literal(0, 1) // no segments
	w.literal(0, 1) // normal loop filter
	w.literal(f.filter, 6)
	w.literal(0, 3) // sharpness
	w.literal(0, 1) // no filter adjustments
	w.literal(bits.Len(uint(len(f.tokens)))-1, 2)
	w.literal(f.index, 7)
	w.literal(0, 5) // no steps of their own for the other quantisers
	w.literal(0, 1) // the probabilities are not kept
	f.model.write(w)
	skipProb := f.skipProb()
	w.literal(one(skipProb > 0), 1)
	if skipProb > 0 {
		w.literal(int(skipProb), 8)
	}
	for i := range f.mbs {
		f.modes(w, i, skipProb)
	}
	return w.finish()
}

// skipProb is the probability of a macroblock with coefficients, 0 if there is no other.
func (f *frame) skipProb() uint8 {
	var coded, skipped uint32
	for i := range f.mbs {
		if f.mbs[i].skip {
			skipped++
		} else {
			coded++
		}
	}
	if skipped == 0 {
		return 0
	}
	return fitting(coded, skipped)
}

func (f *frame) modes(w *boolWriter, i int, skipProb uint8) {
	mb, mbx, mby := &f.mbs[i], i%f.mbw, i/f.mbw
	if skipProb > 0 {
		w.bit(skipProb, uint8(one(mb.skip)))
	}
	if !mb.ownModes {
		w.path(lumaProb, lumaPath[mb.luma])
	} else {
		w.path(lumaProb, subPath)
		for k, mode := range mb.sub {
			w.path(subModeProb[f.modeAbove(mbx, mby, mb, k)][f.modeLeft(mbx, mby, mb, k)][:], subModePath[mode])
		}
	}
	w.path(chromaProb, chromaPath[mb.chroma])
}

// assemble puts the uncompressed header of RFC 6386 section 9.1 before the partitions of section 9.5.
func (f *frame) assemble(first []byte) ([]byte, error) {
	if len(first) > maxFirst {
		return nil, errTooMuch
	}
	const shown = 1 << 4 // and bit 0 clear: a key frame; version 0
	tag := shown | len(first)<<5
	out := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 0x01, 0x2a}
	out = binary.LittleEndian.AppendUint16(out, uint16(f.m.Rect.Dx()))
	out = binary.LittleEndian.AppendUint16(out, uint16(f.m.Rect.Dy()))
	out = append(out, first...)
	var lengths, data []byte
	for _, t := range f.tokens {
		w := newBoolWriter()
		t.write(w, &f.model.prob)
		part := w.finish()
		if len(part) > maxTokens {
			return nil, errTooMuch
		}
		lengths = append(lengths, byte(len(part)), byte(len(part)>>8), byte(len(part)>>16))
		data = append(data, part...)
	}
	return append(append(out, lengths[:len(lengths)-3]...), data...), nil
}
