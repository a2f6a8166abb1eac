package webp

import (
	"fmt"
	"image"
	"math/rand"
	"testing"

	"pgregory.net/rapid"
)

// decodeFrame gives the planes a decoder makes of a frame.
func decodeFrame(t rapid.TB, f *frame, first []byte) *image.YCbCr {
	t.Helper()
	payload, err := f.assemble(first)
	if err != nil {
		t.Fatal(err)
	}
	var file riff
	file.chunk("VP8 ", payload)
	b, err := file.bytes()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, b).(*image.YCbCr)
}

// checkReconstruction compares a decoder's samples with those the encoder predicted from.
func checkReconstruction(t rapid.TB, f *frame, d *image.YCbCr) {
	t.Helper()
	for y := range d.Rect.Dy() {
		for x := range d.Rect.Dx() {
			got := [3]uint8{d.Y[d.YOffset(x, y)], d.Cb[d.COffset(x, y)], d.Cr[d.COffset(x, y)]}
			rec := f.rec
			want := [3]uint8{rec[0].pix[rec[0].at(x, y)], rec[1].pix[rec[1].at(x/2, y/2)], rec[2].pix[rec[2].at(x/2, y/2)]}
			if got != want {
				t.Fatalf("samples %v at %d,%d, want %v", got, x, y, want)
			}
		}
	}
}

// Without the loop filter a decoder must have exactly the encoder's samples, or the error would grow
// from block to block.
func TestReconstruction(t *testing.T) {
	for content := range contents {
		for _, size := range sizes {
			for _, index := range []int{0, 30, 127} {
				for e := allModes; e <= onlyDC; e++ {
					t.Run(fmt.Sprintf("%s %v index %d effort %d", content, size, index, e), func(t *testing.T) {
						f := newFrame(draw(content, size.X, size.Y), index, 0)
						checkReconstruction(t, f, decodeFrame(t, f, f.encode(e)))
					})
				}
			}
		}
	}
}

// Pictures of more than 2^14 macroblocks have eight partitions.
func TestManyPartitions(t *testing.T) {
	f := newFrame(draw("gradient", 2100, 2050), 60, 0)
	if len(f.tokens) != 8 {
		t.Fatalf("%d partitions", len(f.tokens))
	}
	checkReconstruction(t, f, decodeFrame(t, f, f.encode(onlyDC)))
}

func TestFirstPartitionLimit(t *testing.T) {
	m := draw("text", 200, 200)
	for i := len(m.Pix) / 2; i < len(m.Pix); i++ {
		m.Pix[i] = 255 // where macroblocks could be skipped
	}
	f := newFrame(m, 20, 0)
	var size [onlyDC + 1]int
	for e := range size {
		size[e] = len(f.encode(effort(e)))
	}
	for e := range size {
		if first := f.within(size[e]); f.effort != effort(e) || len(first) != size[e] {
			t.Errorf("limit %d: %d bytes with effort %d, want effort %d", size[e], len(first), f.effort, e)
		}
	}
	first := f.within(0) // the least effort, which must fit the largest picture
	for i, mb := range f.mbs {
		if mb.skip {
			t.Errorf("macroblock %d costs a skip mark", i)
		}
	}
	const most = (MaxSize + 1) / 16 * (MaxSize + 1) / 16
	bits := int(pathCost(lumaProb, lumaPath[predDC])+pathCost(chromaProb, chromaPath[predDC])) * most / 256
	if bits/8 > maxFirst*9/10 || len(first) > maxFirst {
		t.Errorf("the largest picture's modes take %d bytes", bits/8)
	}
	if _, err := f.assemble(make([]byte, maxFirst+1)); err != errTooMuch {
		t.Errorf("got %v for a first partition larger than the limit", err)
	}
}

// The modes that a kind of picture is made for are found.
func TestModesInUse(t *testing.T) {
	f := newFrame(draw("alpha noise", 320, 320), 10, 0)
	for i := 3; i < len(f.m.Pix); i += 4 {
		f.m.Pix[i] = 255
	}
	f.encode(allModes)
	var sub [subModes]int
	for _, mb := range f.mbs {
		if mb.ownModes {
			for _, mode := range mb.sub {
				sub[mode]++
			}
		}
	}
	for mode, n := range sub {
		if n == 0 {
			t.Errorf("subblock mode %d is never used in noise: %v", mode, sub)
		}
	}
	f = newFrame(draw("flat", 320, 320), 10, 0)
	f.encode(allModes)
	for i, mb := range f.mbs[1:] {
		if !mb.skip || mb.ownModes {
			t.Fatalf("macroblock %d of a flat picture is %+v", i+1, mb)
		}
	}
}

func TestTransformsInvert(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 2000 {
		var b, want block
		for i := range b {
			want[i] = int32(random.Intn(511) - 255)
		}
		b = want
		b.forward()
		b.inverse()
		for i := range b {
			if abs(int(b[i]-want[i])) > 1 {
				t.Fatalf("DCT gave %v for %v", b, want)
			}
		}
		for i := range b {
			want[i] = int32(random.Intn(4081) - 2040)
		}
		b = want
		b.walsh(1, 1)
		b.walsh(3, 3)
		for i := range b {
			if abs(int(b[i]-want[i])) > 2 {
				t.Fatalf("walsh gave %v for %v", b, want)
			}
		}
	}
}

// What nobody can see costs next to nothing.
func TestInvisible(t *testing.T) {
	m := draw("noise", 320, 320)
	seen := len(encode(t, m, Options{Quality: 80}))
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 0
	}
	if unseen := len(encode(t, m, Options{Quality: 80})); unseen > seen/100 {
		t.Errorf("%d bytes invisible, %d visible", unseen, seen)
	}
}
