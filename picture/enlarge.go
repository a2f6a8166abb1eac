package picture

import (
	"image"

	"golang.org/x/image/draw"

	"github.com/easelgrid/easel/api"
)

// enlarge brings a picture that the engine made to the size that was asked for, its transparency
// included.
func enlarge(picture *image.NRGBA, width, height int) *image.NRGBA {
	if picture.Opaque() {
		return resample(picture, width, height)
	}
	mixed := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(mixed, mixed.Rect, picture, picture.Rect, draw.Src, nil)
	out := image.NewNRGBA(mixed.Rect)
	draw.Draw(out, out.Rect, mixed, image.Point{}, draw.Src)
	return out
}

// finishedInputs are the pictures of an inpainting job in the size of its finished images, for restoring
// what lies outside the mask. They are decoded from the files again, since the child may get smaller ones.
func finishedInputs(dir string, spec api.ImageSpec, inputs Inputs) (Inputs, error) {
	width, height := spec.FinishedSize()
	if spec.MaskImage == nil || width == spec.Width && height == spec.Height {
		return inputs, nil
	}
	spec.Width, spec.Height = width, height
	whole, err := prepareInput(dir, "init_image", *spec.InitImage, spec)
	if err != nil {
		return Inputs{}, err
	}
	mask, err := prepareInput(dir, "mask_image", *spec.MaskImage, spec)
	if err != nil {
		return Inputs{}, err
	}
	return Inputs{Init: whole, Mask: grey(mask)}, nil
}
