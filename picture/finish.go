package picture

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture/webp"
)

// WritePlain is the child's end of an image: the engine's pixels as a PNG file in dir, under the name it returns.
func WritePlain(dir string, index int, picture image.Image) (name string, plain api.Image, err error) {
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return "", api.Image{}, fmt.Errorf("encode png: %w", err)
	}
	name = fmt.Sprintf("image-%d.png", index)
	if err := writeWhole(filepath.Join(dir, name), b.Bytes()); err != nil {
		return "", api.Image{}, err
	}
	plain = described(b.Bytes(), picture.Bounds().Size(), api.FormatPNG)
	plain.Index = index
	return name, plain, nil
}

func described(body []byte, size image.Point, format api.Format) api.Image {
	sum := sha256.Sum256(body)
	return api.Image{
		Width: size.X, Height: size.Y, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(body)), Type: format.MediaType(),
	}
}

// A Finisher turns the child's plain pictures into the files that were asked for.
type Finisher struct {
	dir    string
	spec   api.ImageSpec
	inputs Inputs // of the finished size
	info   api.Runtime
}

// NewFinisher finishes the pictures of a spec in dir. The inputs are those that [Prepare] returned.
func NewFinisher(dir string, spec api.ImageSpec, inputs Inputs, info api.Runtime) (Finisher, error) {
	inputs, err := finishedInputs(dir, spec, inputs)
	return Finisher{dir: dir, spec: spec, inputs: inputs, info: info}, err
}

func (f Finisher) format() api.Format { return cmp.Or(f.spec.Format, api.FormatPNG) }

// File checks a picture that the child reported and finishes it: in place, or under another name if the format
// differs. It returns the finished file's path and description. Errors of the child's making are *api.Error with
// api.CodeRuntimeFailed.
func (f Finisher) File(name string, plain api.Image) (string, api.Image, error) {
	fail := func(format string, args ...any) (string, api.Image, error) {
		return "", api.Image{}, api.Errorf(api.CodeRuntimeFailed, format, args...)
	}
	if filepath.Base(name) != name {
		return fail("the runtime named an image outside its directory: %s", api.Quote(name))
	}
	source := filepath.Join(f.dir, name)
	body, err := os.ReadFile(source)
	if err != nil {
		return fail("image %d cannot be read: %v", plain.Index, err)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != plain.SHA256 {
		return fail("image %d is not the file the runtime described", plain.Index)
	}
	if c, err := png.DecodeConfig(bytes.NewReader(body)); err != nil || c.Width != f.spec.Width || c.Height != f.spec.Height {
		return fail("image %d: got a picture of %d x %d (%v), want a PNG file of %d x %d", plain.Index, c.Width, c.Height, err, f.spec.Width, f.spec.Height)
	}
	if body, err = f.encode(plain, body); err != nil {
		return fail("image %d: %v", plain.Index, err)
	}
	target := filepath.Join(f.dir, fmt.Sprintf("image-%d.%s", plain.Index, f.format()))
	if err := writeWhole(target, body); err != nil {
		return "", api.Image{}, err
	}
	if target != source {
		_ = os.Remove(source) // the job's directory is removed soon anyway
	}
	width, height := f.spec.FinishedSize()
	done := described(body, image.Pt(width, height), f.format())
	done.Index, done.Seed, done.Flagged = plain.Index, plain.Seed, plain.Flagged
	return target, done, nil
}

// encode returns the finished file. A picture that stays as the engine made it keeps its encoding.
func (f Finisher) encode(plain api.Image, body []byte) ([]byte, error) {
	facts := parameters(f.spec, plain.Index, f.info)
	act := plain.Flagged && f.spec.SafetyCheck
	width, height := f.spec.FinishedSize()
	resized := width != f.spec.Width || height != f.spec.Height
	if !act && !resized && f.inputs.Mask == nil && f.spec.Background != api.BackgroundTransparent && f.format() == api.FormatPNG {
		return describePNG(body, facts)
	}
	decoded, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	picture, cut := flatten(decoded, f.spec.Width, f.spec.Height), false
	if transparent := f.spec.Background == api.BackgroundTransparent; transparent && resized && f.inputs.Mask == nil {
		cutOut(picture) // before the edges are softened, so that no halo of the background stays
		cut = true
	}
	if resized {
		picture = enlarge(picture, width, height)
	}
	if f.inputs.Mask != nil {
		restoreOutside(picture, f.inputs)
	}
	if act {
		picture = censor(picture, f.spec.SafetyAction)
	} else if f.spec.Background == api.BackgroundTransparent && !cut {
		cutOut(picture)
	}
	return encodeAs(f.format(), f.spec.Quality, picture, facts)
}

// restoreOutside gives a painted picture the init image's own pixels wherever the mask is black.
func restoreOutside(picture *image.NRGBA, in Inputs) {
	for i, m := range in.Mask.Pix {
		if m < 128 {
			copy(picture.Pix[4*i:4*i+4], in.Init.Pix[4*i:4*i+4])
		}
	}
}

// encodeAs encodes a picture with the facts about it. The bytes depend on nothing but the arguments.
func encodeAs(format api.Format, quality int, picture *image.NRGBA, facts []parameter) ([]byte, error) {
	var b bytes.Buffer
	switch format {
	case api.FormatJPEG:
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality}); err != nil {
			return nil, fmt.Errorf("encode jpeg: %w", err)
		}
		return describeJPEG(b.Bytes(), facts)
	case api.FormatWebP:
		if err := webp.Encode(&b, picture, webp.Options{Quality: quality, XMP: describeXMP(facts)}); err != nil {
			return nil, fmt.Errorf("encode webp: %w", err)
		}
		return b.Bytes(), nil
	default:
		if err := png.Encode(&b, picture); err != nil {
			return nil, fmt.Errorf("encode png: %w", err)
		}
		return describePNG(b.Bytes(), facts)
	}
}
