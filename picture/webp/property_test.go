package webp

import (
	"bytes"
	"image"
	"testing"

	"pgregory.net/rapid"
)

// pictureOf lays bytes out as a picture, again and again.
func pictureOf(w, h int, data []byte) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		if len(data) > 0 {
			m.Pix[i] = data[i%len(data)]
		}
	}
	return m
}

func TestAnyPicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
		m := pictureOf(w, h, rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "pixels"))
		quality := rapid.IntRange(1, 100).Draw(t, "quality")
		var b bytes.Buffer
		if err := Encode(&b, m, Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		checkFile(t, m, b.Bytes(), quality)
	})
}

// The luma error stays within what the quantiser allows: a coefficient is at most 0.6 steps off, and
// half a step in coefficients is a quarter in samples. One more is for rounding.
func TestErrorBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
		m := pictureOf(w, h, rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "pixels"))
		for i := 3; i < len(m.Pix); i += 4 {
			m.Pix[i] = 255
		}
		index := rapid.IntRange(0, 127).Draw(t, "index")
		f := newFrame(m, index, 0)
		checkReconstruction(t, f, decodeFrame(t, f, f.encode(allModes)))
		squares := 0
		for y := range f.src[0].height {
			for x := range f.src[0].width {
				e := int(f.src[0].pix[f.src[0].at(x, y)]) - int(f.rec[0].pix[f.rec[0].at(x, y)])
				squares += e * e
			}
		}
		step := 0.3 * float64(max(f.luma.ac, f.luma.dc, 8))
		if got := float64(squares) / float64(len(f.src[0].pix)); got > step*step+1 {
			t.Errorf("mean squared error %.1f, want at most %.1f", got, step*step+1)
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint8(80), []byte{1, 2, 3, 255})
	f.Add(uint8(17), uint8(15), uint8(100), []byte{0, 255, 0, 128, 7})
	f.Add(uint8(64), uint8(33), uint8(1), []byte("any pixels at all"))
	f.Add(uint8(3), uint8(90), uint8(99), []byte{})
	f.Fuzz(func(t *testing.T, w, h, quality uint8, data []byte) {
		m := pictureOf(int(w), int(h), data)
		var b bytes.Buffer
		err := Encode(&b, m, Options{Quality: int(quality)})
		if valid := w > 0 && h > 0 && quality > 0 && quality <= 100; valid != (err == nil) {
			t.Fatalf("%dx%d at quality %d: %v", w, h, quality, err)
		}
		if err == nil {
			checkFile(t, m, b.Bytes(), int(quality))
		}
	})
}
