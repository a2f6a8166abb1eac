package webp

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"testing"
)

// colours converts decoded samples with the matrix of BT.601 in limited range.
func colours(d *image.YCbCr, x, y int) [3]float64 {
	l := 1.164383 * (float64(d.Y[d.YOffset(x, y)]) - 16)
	u, v := float64(d.Cb[d.COffset(x, y)])-128, float64(d.Cr[d.COffset(x, y)])-128
	return [3]float64{l + 1.596027*v, l - 0.391762*u - 0.812968*v, l + 2.017232*u}
}

// psnr is the peak signal to noise ratio over red, green and blue in dB.
func psnr(m *image.NRGBA, d *image.YCbCr) float64 {
	squares := 0.
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			want := m.Pix[m.PixOffset(x, y):]
			for i, v := range colours(d, x, y) {
				e := max(0, min(255, v)) - float64(want[i])
				squares += e * e
			}
		}
	}
	return 10 * math.Log10(255*255*3*float64(m.Rect.Dx()*m.Rect.Dy())/max(squares, 1))
}

func TestFidelity(t *testing.T) {
	for _, test := range []struct {
		content string
		quality int
		least   float64 // dB
	}{
		{"flat", 10, 36}, {"gradient", 10, 36}, {"waves", 10, 30},
		{"flat", 90, 48}, {"gradient", 90, 43}, {"waves", 90, 39},
		{"flat", 99, 48}, {"gradient", 99, 47}, {"waves", 99, 44},
	} {
		t.Run(fmt.Sprintf("%s quality %d", test.content, test.quality), func(t *testing.T) {
			m := draw(test.content, 256, 256)
			got := psnr(m, decode(t, encode(t, m, Options{Quality: test.quality})).(*image.YCbCr))
			if t.Logf("%.2f dB", got); got < test.least {
				t.Errorf("%.2f dB, want at least %.1f", got, test.least)
			}
		})
	}
}

// Better quality is larger and nearer to the source, with a little slack between steps.
func TestQualityOrder(t *testing.T) {
	m := draw("waves", 256, 256)
	size, fidelity := 0, 0.
	for quality := 4; quality < 100; quality += 5 {
		file := encode(t, m, Options{Quality: quality})
		got := psnr(m, decode(t, file).(*image.YCbCr))
		if float64(len(file)) < 0.99*float64(size) {
			t.Errorf("quality %d: %d bytes after %d", quality, len(file), size)
		}
		if got < fidelity-0.1 {
			t.Errorf("quality %d: %.2f dB after %.2f", quality, got, fidelity)
		}
		size, fidelity = len(file), got
	}
}

func TestSizeAgainstPNG(t *testing.T) {
	m := draw("waves", 512, 512)
	var reference bytes.Buffer
	if err := png.Encode(&reference, m); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		quality int
		most    float64 // of the PNG's size
	}{{50, 0.04}, {80, 0.06}, {100, 0.75}} {
		got := float64(len(encode(t, m, Options{Quality: test.quality}))) / float64(reference.Len())
		if t.Logf("quality %d: %.3f of the PNG", test.quality, got); got > test.most {
			t.Errorf("quality %d: %.3f of the PNG, want at most %.2f", test.quality, got, test.most)
		}
	}
}

// The quantiser never gets coarser with quality and uses its range.
func TestQuantizerIndex(t *testing.T) {
	previous := 128
	for quality := 1; quality < 100; quality++ {
		index := quantizerIndex(quality)
		if index < 0 || index > previous {
			t.Errorf("quality %d has index %d after %d", quality, index, previous)
		}
		previous = index
	}
	if first := quantizerIndex(1); first < 90 || previous > 2 {
		t.Errorf("the range is %d to %d", first, previous)
	}
}
