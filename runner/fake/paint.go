package fake

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/picture"
)

// static is a picture of random pixels, which is as large in a file as in memory.
func static(spec api.ImageSpec, seed int64) image.Image {
	picture := image.NewNRGBA(image.Rect(0, 0, spec.Width, spec.Height))
	random := rand.NewChaCha8([32]byte(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(seed))))
	_, _ = random.Read(picture.Pix) // it never fails
	for i := 3; i < len(picture.Pix); i += 4 {
		picture.Pix[i] = 255
	}
	return picture
}

// paint draws a gradient whose colours follow from the seed, the prompt and the adapters.
func paint(spec api.ImageSpec, inputs picture.Inputs, seed int64) image.Image {
	key := fmt.Sprintf("%d %q %q %s %d %g", seed, spec.Prompt, spec.NegativePrompt, spec.Scheduler, spec.Steps, spec.GuidanceScale)
	for _, l := range spec.LoRAs {
		if l.Weight != 0 {
			key += fmt.Sprintf(" %s:%g", l.Name, l.Weight)
		}
	}
	if inputs.Init != nil {
		key += fmt.Sprintf(" %x %g %s", sha256.Sum256(inputs.Init.Pix), spec.Strength, spec.Mode)
	}
	h := sha256.Sum256([]byte(key))
	picture := image.NewNRGBA(image.Rect(0, 0, spec.Width, spec.Height))
	for y := range spec.Height {
		for x := range spec.Width {
			fx, fy := float64(x)/float64(spec.Width), float64(y)/float64(spec.Height)
			shade := func(i int) uint8 {
				a := float64(h[i])/40*fx + float64(h[i+8])/40*fy + float64(h[i+16])
				return uint8(127.5 + 127.5*math.Sin(a))
			}
			picture.SetNRGBA(x, y, color.NRGBA{shade(0), shade(1), shade(2), 255})
		}
	}
	return picture
}
