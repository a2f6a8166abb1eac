package openai

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"

	"github.com/easelgrid/easel/api"
)

// maxPartialSide bounds the longer side of a partial image in pixels: a preview has 256, and more
// than four times that shows nothing new.
const maxPartialSide = 1024

// readFile is a picture in memory as one that is open.
type readFile struct{ *bytes.Reader }

func (readFile) Close() error { return nil }

// partialImage makes a picture of the size asked for from a preview. It is a JPEG file where that was
// asked for, else PNG: nothing here writes WebP, and the event has the format.
func partialImage(preview []byte, spec api.ImageSpec, format api.Format) (readFile, api.Format, error) {
	small, err := jpeg.Decode(bytes.NewReader(preview))
	if err != nil {
		return readFile{}, "", err
	}
	width, height := partialSize(spec)
	full := image.NewRGBA(image.Rect(0, 0, width, height)) // of 8 bits, as a PNG of a JPEG's colours would not be
	draw.ApproxBiLinear.Scale(full, full.Bounds(), small, small.Bounds(), draw.Src, nil)
	var b bytes.Buffer
	if format == api.FormatJPEG {
		err = jpeg.Encode(&b, full, &jpeg.Options{Quality: 85})
	} else {
		format, err = api.FormatPNG, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, full)
	}
	return readFile{bytes.NewReader(b.Bytes())}, format, err
}

// partialSize is the size of the finished picture, or as much of it as a partial one may have.
func partialSize(spec api.ImageSpec) (width, height int) {
	width, height = spec.FinishedSize()
	if longest := max(width, height); longest > maxPartialSide {
		width, height = max(1, width*maxPartialSide/longest), max(1, height*maxPartialSide/longest)
	}
	return width, height
}

func sizeOfSpec(spec api.ImageSpec) string {
	width, height := spec.FinishedSize()
	return fmt.Sprintf("%dx%d", width, height)
}
