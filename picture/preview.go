package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"golang.org/x/image/draw"

	"github.com/easelgrid/easel/api"
)

// previewSide is the most pixels on the longer side of a preview.
const previewSide = 256

// Preview shrinks a picture to previewSide and encodes it as JPEG, smaller still if it has more than
// api.MaxPreview bytes.
func Preview(picture image.Image) ([]byte, error) {
	for side := previewSide; side >= 32; side /= 2 {
		small := shrink(picture, side)
		var buffer bytes.Buffer
		if err := jpeg.Encode(&buffer, small, &jpeg.Options{Quality: 80}); err != nil {
			return nil, fmt.Errorf("encode preview: %w", err)
		}
		if buffer.Len() <= api.MaxPreview {
			return buffer.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("preview does not fit in %d bytes", api.MaxPreview)
}

func shrink(picture image.Image, side int) image.Image {
	size := picture.Bounds().Size()
	longest := max(size.X, size.Y)
	if longest <= side {
		return picture
	}
	small := image.NewRGBA(image.Rect(0, 0, max(1, size.X*side/longest), max(1, size.Y*side/longest)))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), picture, picture.Bounds(), draw.Src, nil)
	return small
}
