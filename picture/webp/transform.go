package webp

// block is 4x4 values by row: samples' differences or coefficients.
type block [16]int32

// The basis of RFC 6386 section 14.4 has rows of length 2: the forward transform is its transpose
// with half the product, because the inverse divides by 8.
const (
	cos8 = 5352 // sqrt(2) cos(pi/8) with 12 fraction bits
	sin8 = 2217 // sqrt(2) sin(pi/8)
)

// forward is the DCT whose inverse is inverseDCT. Three extra bits are kept between the passes.
func (b *block) forward() {
	for i := 0; i < 16; i += 4 {
		s0, s1, d1, d0 := b[i]+b[i+3], b[i+1]+b[i+2], b[i+1]-b[i+2], b[i]-b[i+3]
		b[i], b[i+2] = (s0+s1)<<3, (s0-s1)<<3
		b[i+1], b[i+3] = (d0*cos8+d1*sin8+1<<8)>>9, (d0*sin8-d1*cos8+1<<8)>>9
	}
	for i := range 4 {
		s0, s1, d1, d0 := b[i]+b[i+12], b[i+4]+b[i+8], b[i+4]-b[i+8], b[i]-b[i+12]
		b[i], b[i+8] = (s0+s1+8)>>4, (s0-s1+8)>>4
		b[i+4], b[i+12] = (d0*cos8+d1*sin8+1<<15)>>16, (d0*sin8-d1*cos8+1<<15)>>16
	}
}

// inverse is RFC 6386 section 14.4 exactly: columns first, 16 fraction bits for the constants.
func (b *block) inverse() {
	c := func(v int32) int32 { return v + v*20091>>16 } // sqrt(2) cos(pi/8)
	s := func(v int32) int32 { return v * 35468 >> 16 } // sqrt(2) sin(pi/8)
	for i := range 4 {
		a0, a1 := b[i]+b[i+8], b[i]-b[i+8]
		a2, a3 := s(b[i+4])-c(b[i+12]), c(b[i+4])+s(b[i+12])
		b[i], b[i+4], b[i+8], b[i+12] = a0+a3, a1+a2, a1-a2, a0-a3
	}
	for i := 0; i < 16; i += 4 {
		a0, a1 := b[i]+b[i+2]+4, b[i]-b[i+2]+4
		a2, a3 := s(b[i+1])-c(b[i+3]), c(b[i+1])+s(b[i+3])
		b[i], b[i+1], b[i+2], b[i+3] = (a0+a3)>>3, (a1+a2)>>3, (a1-a2)>>3, (a0-a3)>>3
	}
}

// walsh is the transform of the luma blocks' DC values, RFC 6386 section 14.3. It is its own inverse
// but for the scale: forward halves, the decoder divides by 8 after adding round.
func (b *block) walsh(round int32, shift int) {
	for i := range 4 {
		a0, a1, a2, a3 := b[i]+b[i+12], b[i+4]+b[i+8], b[i+4]-b[i+8], b[i]-b[i+12]
		b[i], b[i+4], b[i+8], b[i+12] = a0+a1, a2+a3, a0-a1, a3-a2
	}
	for i := 0; i < 16; i += 4 {
		a0, a1, a2, a3 := b[i]+b[i+3], b[i+1]+b[i+2], b[i+1]-b[i+2], b[i]-b[i+3]
		b[i], b[i+1] = (a0+a1+round)>>shift, (a2+a3+round)>>shift
		b[i+2], b[i+3] = (a0-a1+round)>>shift, (a3-a2+round)>>shift
	}
}
