package picture

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/easelgrid/easel/api"
)

// coarse is how many blocks a blurred or pixelated picture has on its longer side: too few to make
// anything out.
const coarse = 12

// censor takes the safety action on a flagged picture.
func censor(picture *image.NRGBA, action api.SafetyAction) *image.NRGBA {
	out := image.NewNRGBA(picture.Rect)
	switch action {
	case api.SafetyBlur:
		small := shrunk(picture)
		draw.CatmullRom.Scale(out, out.Rect, small, small.Bounds(), draw.Src, nil)
	case api.SafetyPixelate:
		small := shrunk(picture)
		draw.NearestNeighbor.Scale(out, out.Rect, small, small.Bounds(), draw.Src, nil)
	case api.SafetyText:
		draw.Draw(out, out.Rect, image.NewUniform(color.Gray{Y: 48}), image.Point{}, draw.Src)
		letter(out, "Sensitive content")
	default:
		draw.Draw(out, out.Rect, image.Black, image.Point{}, draw.Src)
	}
	return out
}

// shrunk is the picture in a few blocks, each the mean of what it covers.
func shrunk(picture *image.NRGBA) *image.NRGBA {
	size := picture.Rect.Size()
	longest := max(size.X, size.Y)
	small := image.NewNRGBA(image.Rect(0, 0, max(1, size.X*coarse/longest), max(1, size.Y*coarse/longest)))
	draw.BiLinear.Scale(small, small.Rect, picture, picture.Rect, draw.Src, nil)
	return small
}

// letter writes a line across the middle of a picture, nine tenths of it wide.
func letter(picture *image.NRGBA, text string) {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil { // impossible: the font is in the binary
		panic(err)
	}
	const trial = 64.0
	at := func(size float64) font.Face {
		face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72})
		if err != nil {
			panic(err)
		}
		return face
	}
	wide := float64(font.MeasureString(at(trial), text)) / 64
	size := picture.Rect.Size()
	face := at(trial * 0.9 * float64(size.X) / wide)
	d := font.Drawer{Dst: picture, Src: image.NewUniform(color.Gray{Y: 230}), Face: face}
	d.Dot = fixed.Point26_6{
		X: (fixed.I(size.X) - d.MeasureString(text)) / 2,
		Y: fixed.I(size.Y)/2 + face.Metrics().CapHeight/2,
	}
	d.DrawString(text)
}
