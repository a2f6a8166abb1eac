// Package picture prepares the pictures that come with a request for an engine, and finishes those that an engine
// made. It knows nothing of processes: package runner puts it around them.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/disk"
)

// The names under which a job's directory holds the inputs for the child.
const (
	initName = "init.png"
	maskName = "mask.png"
)

// Inputs are the pictures that a spec names, at exactly its width and height; nil where it names none.
type Inputs struct {
	Init *image.NRGBA // without transparency
	Mask *image.Gray  // 128 and above is painted anew
}

// Prepare decodes the files of the spec's inputs in dir, brings them to the spec's size and writes them there for
// the child. A file that is not what the spec describes is an *api.Error with api.CodeInvalidRequest.
func Prepare(dir string, spec api.ImageSpec) (Inputs, error) {
	var inputs Inputs
	if spec.InitImage != nil {
		picture, err := prepareInput(dir, "init_image", *spec.InitImage, spec)
		if err != nil {
			return Inputs{}, err
		}
		inputs.Init = picture
		if err := writePicture(filepath.Join(dir, initName), inputs.Init); err != nil {
			return Inputs{}, err
		}
	}
	if spec.MaskImage != nil {
		picture, err := prepareInput(dir, "mask_image", *spec.MaskImage, spec)
		if err != nil {
			return Inputs{}, err
		}
		inputs.Mask = grey(picture)
		if err := writePicture(filepath.Join(dir, maskName), inputs.Mask); err != nil {
			return Inputs{}, err
		}
	}
	return inputs, nil
}

// prepareInput turns a file into a picture on white, upright and of the spec's size.
func prepareInput(dir, field string, in api.Input, spec api.ImageSpec) (*image.NRGBA, error) {
	body, err := os.ReadFile(filepath.Join(dir, in.FileName()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	// The header is checked again: a file described as small must not decode to a large picture.
	if seen, err := api.ReadInput(body); err != nil || seen != in {
		return nil, api.Errorf(api.CodeInvalidRequest, "%s: the file is not the one the request describes", field)
	}
	picture, err := decodePicture(body)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidRequest, "%s: got a file that cannot be decoded (%v), want a PNG, JPEG or WebP file", field, err)
	}
	orientation := api.Orientation(body)
	if orientation > 4 { // it lies on its side
		return upright(flatten(picture, spec.Height, spec.Width), orientation), nil
	}
	return upright(flatten(picture, spec.Width, spec.Height), orientation), nil
}

// upright turns and mirrors a picture as its orientation asks (Exif 3.0, tag 274).
func upright(picture *image.NRGBA, orientation int) *image.NRGBA {
	if orientation == 1 {
		return picture
	}
	size := picture.Rect.Size()
	right, bottom := size.X-1, size.Y-1
	out := image.NewNRGBA(image.Rect(0, 0, size.X, size.Y))
	if orientation > 4 {
		out = image.NewNRGBA(image.Rect(0, 0, size.Y, size.X))
	}
	for y := range size.Y {
		for x := range size.X {
			to := [...]image.Point{
				2: {right - x, y}, 3: {right - x, bottom - y}, 4: {x, bottom - y},
				5: {y, x}, 6: {bottom - y, x}, 7: {bottom - y, right - x}, 8: {y, right - x},
			}[orientation]
			out.SetNRGBA(to.X, to.Y, picture.NRGBAAt(x, y))
		}
	}
	return out
}

// flatten brings a picture to a size and puts it on white.
func flatten(picture image.Image, width, height int) *image.NRGBA {
	if size := picture.Bounds().Size(); size.X != width || size.Y != height {
		return resample(picture, width, height)
	}
	flat := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(flat, flat.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, picture, picture.Bounds().Min, draw.Over)
	// Where nothing is transparent, the two kinds have the same bytes.
	return &image.NRGBA{Pix: flat.Pix, Stride: flat.Stride, Rect: flat.Rect}
}

// grey takes the luminance of a mask and makes it black or white.
func grey(picture *image.NRGBA) *image.Gray {
	mask := image.NewGray(picture.Rect)
	for y := range picture.Rect.Dy() {
		for x := range picture.Rect.Dx() {
			if color.GrayModel.Convert(picture.NRGBAAt(x, y)).(color.Gray).Y >= 128 {
				mask.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return mask
}

// Read is the child's side of [Prepare]: it reads the inputs that were written for it.
func Read(dir string, spec api.ImageSpec) (Inputs, error) {
	var inputs Inputs
	if spec.InitImage != nil {
		picture, err := readPicture(dir, initName, spec)
		if err != nil {
			return Inputs{}, err
		}
		inputs.Init = flatten(picture, spec.Width, spec.Height)
	}
	if spec.MaskImage != nil {
		picture, err := readPicture(dir, maskName, spec)
		if err != nil {
			return Inputs{}, err
		}
		inputs.Mask = grey(flatten(picture, spec.Width, spec.Height))
	}
	return inputs, nil
}

func readPicture(dir, name string, spec api.ImageSpec) (image.Image, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("read input %s: %w", name, err)
	}
	if size := picture.Bounds().Size(); size != image.Pt(spec.Width, spec.Height) {
		return nil, fmt.Errorf("read input %s: it is %d x %d, want %d x %d", name, size.X, size.Y, spec.Width, spec.Height)
	}
	return picture, nil
}

func writePicture(path string, picture image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return fmt.Errorf("encode png: %w", err)
	}
	return writeFile(path, b.Bytes())
}

// writeFile writes a file of a job's directory, whole or not at all.
func writeFile(path string, body []byte) error {
	if err := disk.WriteFile(path, body, 0o600); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}
