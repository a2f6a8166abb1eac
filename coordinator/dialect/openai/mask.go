package openai

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	_ "golang.org/x/image/webp" // a mask may be any picture with an alpha channel

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// maxMaskPixels bounds the memory of a mask while it is turned.
const maxMaskPixels = api.MaxSide * api.MaxSide

var errNoHoles = api.Fault{Value: "a picture without transparent pixels", Limit: "alpha 0 where the image is to be edited"}

// turning lets two masks at a time into memory.
var turning = make(chan struct{}, 2)

// maskOfAlpha makes a mask of ours, in which white is painted anew, from one of OpenAI's, in which
// fully transparent pixels are. The error is an api.Fault without a field.
func maskOfAlpha(file []byte) ([]byte, error) {
	in, err := api.ReadInput(file)
	if err != nil {
		return nil, err
	}
	if in.Width*in.Height > maxMaskPixels {
		return nil, api.Fault{Value: dialect.SizeText(in.Width, in.Height), Limit: fmt.Sprintf("at most %d", maxMaskPixels)}
	}
	turning <- struct{}{}
	defer func() { <-turning }()
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, api.Fault{Value: "a damaged file", Limit: "a PNG or WebP file"}
	}
	pixels, ok := picture.(image.RGBA64Image) // as all of them are
	if !ok {
		return nil, errNoHoles
	}
	grey, some := holes(pixels)
	if !some {
		return nil, errNoHoles
	}
	var b bytes.Buffer
	if err := png.Encode(&b, grey); err != nil {
		return nil, api.Fault{Value: err.Error(), Limit: "a picture that can be made a mask"}
	}
	return b.Bytes(), nil
}

// holes is white where the picture is fully transparent, and black elsewhere.
func holes(picture image.RGBA64Image) (grey *image.Gray, some bool) {
	size := picture.Bounds()
	grey = image.NewGray(image.Rect(0, 0, size.Dx(), size.Dy()))
	for y := range size.Dy() {
		for x := range size.Dx() {
			if picture.RGBA64At(size.Min.X+x, size.Min.Y+y).A == 0 {
				grey.Pix[y*grey.Stride+x], some = 255, true
			}
		}
	}
	return grey, some
}
