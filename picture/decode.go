package picture

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // what clients send
	_ "image/png"

	_ "golang.org/x/image/webp"
)

// decodePicture decodes a PNG, JPEG or WebP file. The samples of a lossy WebP file are of limited range
// (RFC 6386, section 9.2: BT.601), but the decoder hands them out in a type that takes them for full
// range, which would wash the colours out. A decoder that panics must not end the agent: files come from
// anybody.
func decodePicture(file []byte) (picture image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			picture, err = nil, fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	picture, kind, err := image.Decode(bytes.NewReader(file))
	if err != nil || kind != "webp" {
		return picture, err
	}
	switch p := picture.(type) {
	case *image.YCbCr:
		return limitedRange(p, func(int, int) uint8 { return 255 }), nil
	case *image.NYCbCrA:
		return limitedRange(&p.YCbCr, func(x, y int) uint8 { return p.A[p.AOffset(x, y)] }), nil
	}
	return picture, nil
}

// limitedRange converts by ITU-R BT.601-7, section 2.5.3, solved for the colours.
func limitedRange(p *image.YCbCr, alpha func(x, y int) uint8) *image.NRGBA {
	out := image.NewNRGBA(p.Rect)
	level := func(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
	for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
		for x := p.Rect.Min.X; x < p.Rect.Max.X; x++ {
			luma := 255.0 / 219 * (float64(p.Y[p.YOffset(x, y)]) - 16)
			c := p.COffset(x, y)
			cb, cr := 255.0/224*(float64(p.Cb[c])-128), 255.0/224*(float64(p.Cr[c])-128)
			at := out.PixOffset(x, y)
			out.Pix[at] = level(luma + 1.402*cr)
			out.Pix[at+1] = level(luma - 0.344136*cb - 0.714136*cr)
			out.Pix[at+2] = level(luma + 1.772*cb)
			out.Pix[at+3] = alpha(x, y)
		}
	}
	return out
}
