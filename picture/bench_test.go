package picture

import (
	"bytes"
	"image/png"
	"testing"

	"github.com/easelgrid/easel/api"
)

// BenchmarkParts are what takes time between a request's file and the finished one, 512 x 512 pixels each.
func BenchmarkParts(b *testing.B) {
	source := coloured(512, 512)
	var file bytes.Buffer
	if err := png.Encode(&file, source); err != nil {
		b.Fatal(err)
	}
	facts := parameters(api.ImageSpec{Prompt: "a red disc"}, 0, api.Runtime{Name: "test", Version: "1"})
	encode := func(format api.Format) func() error {
		return func() error { _, err := encodeAs(format, 90, source, facts); return err }
	}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"decode", func() error { _, err := decodePicture(file.Bytes()); return err }},
		{"resample", func() error { resample(source, 768, 640); return nil }},
		{"enlarge", func() error { enlarge(source, 1024, 1024); return nil }},
		{"cut out", func() error { cutOut(coloured(512, 512)); return nil }},
		{"blur", func() error { censor(source, api.SafetyBlur); return nil }},
		{"preview", func() error { _, err := Preview(source); return err }},
		{"png", encode(api.FormatPNG)},
		{"jpeg", encode(api.FormatJPEG)},
		{"webp", encode(api.FormatWebP)},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := part.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
