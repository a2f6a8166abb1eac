package api

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"
)

func pngFile(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webpFile is a header only: ReadInput reads no more.
func webpFile(t testing.TB, chunk string) []byte {
	t.Helper()
	body, err := hex.DecodeString(chunk)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("RIFF\x00\x00\x00\x00WEBP"), append(body, make([]byte, 16)...)...)
}

func TestInputsAreKnownByTheirHeader(t *testing.T) {
	var jpg, gf bytes.Buffer
	picture := image.NewPaletted(image.Rect(0, 0, 30, 20), nil)
	if err := jpeg.Encode(&jpg, image.NewGray(picture.Rect), nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&gf, image.NewGray(picture.Rect), nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name          string
		file          []byte
		kind          string
		width, height int
		fault         string
	}{
		{"png", pngFile(t, 30, 20), "image/png", 30, 20, ""},
		{"jpeg", jpg.Bytes(), "image/jpeg", 30, 20, ""},
		{"webp lossy", webpFile(t, "56503820"+"00000000"+"000000"+"9d012a"+"1e00"+"1400"), "image/webp", 30, 20, ""},
		{"webp lossless", webpFile(t, "5650384c"+"00000000"+"2f"+"1dc00400"), "image/webp", 30, 20, ""},
		{"webp extended", webpFile(t, "56503858"+"00000000"+"00000000"+"1d0000"+"130000"), "image/webp", 30, 20, ""},
		{"webp of another kind", webpFile(t, "414e494d"+"00000000"), "", 0, 0, "want a PNG, JPEG or WebP file"},
		{"gif", gf.Bytes(), "", 0, 0, "want a PNG, JPEG or WebP file"},
		{"webp that moves", webpFile(t, "56503858"+"00000000"+"02000000"+"1d0000"+"130000"), "", 0, 0, "an animated WebP file, want a still picture"},
		{"jpeg on its side", turned(jpg.Bytes(), 6, binary.BigEndian), "image/jpeg", 20, 30, ""},
		{"jpeg on its side, bytes the other way", turned(jpg.Bytes(), 8, binary.LittleEndian), "image/jpeg", 20, 30, ""},
		{"jpeg upside down", turned(jpg.Bytes(), 3, binary.BigEndian), "image/jpeg", 30, 20, ""},
		{"too long", pngFile(t, 1, MaxInputSide+1), "", 0, 0, "1 x 65536 pixels, want at most 67108864, and 65535 on a side"},
		{"nothing", nil, "", 0, 0, "want a PNG, JPEG or WebP file"},
		{"bomb", bombHeader(t), "", 0, 0, "100000 x 100000 pixels, want at most 67108864"},
		{"too many bytes", make([]byte, MaxInputBytes+1), "", 0, 0, "want at most 20971520"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, err := ReadInput(test.file)
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("got %v, want %s", err, test.fault)
				}
				return
			}
			if err != nil || in.Type != test.kind || in.Width != test.width || in.Height != test.height || in.Bytes != int64(len(test.file)) || !isDigest(in.SHA256) {
				t.Errorf("got %+v, %v", in, err)
			}
		})
	}
}

// turned puts a camera's note into a JPEG file.
func turned(file []byte, orientation uint16, order binary.AppendByteOrder) []byte {
	tiff := []byte("MM")
	if order.String() == binary.LittleEndian.String() {
		tiff = []byte("II")
	}
	tiff = order.AppendUint16(tiff, 42)
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)       // entries
	tiff = append(tiff, make([]byte, 12)...) // of another tag
	tiff = order.AppendUint16(tiff, 274)     // orientation
	tiff = order.AppendUint16(tiff, 3)       // short
	tiff = order.AppendUint32(tiff, 1)       // one
	tiff = order.AppendUint16(tiff, orientation)
	tiff = append(tiff, 0, 0, 0, 0, 0, 0) // the entry's end, no further directory
	note := append([]byte("Exif\x00\x00"), tiff...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(note)))
	return slices.Concat(file[:2], []byte{0xff, 0xfe, 0, 4, 'h', 'i'}, segment, note, file[2:])
}

func TestOrientation(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	for o := uint16(0); o <= 9; o++ {
		want := int(o)
		if o < 1 || o > 8 {
			want = 1
		}
		file := turned(b.Bytes(), o, binary.BigEndian)
		if got := Orientation(file); got != want {
			t.Errorf("orientation %d is read as %d", o, got)
		}
		for cut := range file { // whatever is missing, it ends
			if got := Orientation(file[:cut]); got != want && got != 1 {
				t.Errorf("orientation %d, cut at %d, is read as %d", o, cut, got)
			}
		}
	}
}

// bombHeader is a PNG that claims to be huge.
func bombHeader(t testing.TB) []byte {
	file := pngFile(t, 1, 1)
	copy(file[16:], []byte{0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0})
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func TestWhatBelongsToAnInitImage(t *testing.T) {
	small, large := pngFile(t, 64, 96), pngFile(t, 128, 128)
	for _, test := range []struct {
		name    string
		request JobRequest
		want    []string
	}{
		{"img2img", JobRequest{Prompt: "x", InitImage: small}, nil},
		{"inpainting", JobRequest{Prompt: "x", InitImage: small, MaskImage: small}, nil},
		{"inversion", JobRequest{Prompt: "x", InitImage: small, Mode: ModeInversion}, nil},
		{"inversion by scheduler", JobRequest{Prompt: "x", InitImage: small, Scheduler: InversionScheduler}, nil},
		{"strength 0", JobRequest{Prompt: "x", InitImage: small, Strength: to(0.0)}, []string{"strength"}},
		{"strength 1.5", JobRequest{Prompt: "x", InitImage: small, Strength: to(1.5)}, []string{"strength"}},
		{"strength that leaves no step", JobRequest{Prompt: "x", InitImage: small, Strength: to(0.04)}, []string{"strength"}},
		{"strength alone", JobRequest{Prompt: "x", Strength: to(0.5)}, []string{"strength"}},
		{"mask alone", JobRequest{Prompt: "x", MaskImage: small}, []string{"mask_image"}},
		{"mask of another size", JobRequest{Prompt: "x", InitImage: small, MaskImage: large}, []string{"mask_image"}},
		{"not pictures", JobRequest{Prompt: "x", InitImage: []byte("x"), MaskImage: []byte("y")}, []string{"init_image", "mask_image"}},
		{"a mask for something else", JobRequest{Prompt: "x", InitImage: []byte("x"), MaskImage: small}, []string{"init_image"}},
		{"inversion of nothing", JobRequest{Prompt: "x", Mode: ModeInversion}, []string{"init_image"}},
		{"inversion with a mask", JobRequest{Prompt: "x", Mode: ModeInversion, InitImage: small, MaskImage: small}, []string{"mask_image"}},
		{"inversion with another scheduler", JobRequest{Prompt: "x", Mode: ModeInversion, Scheduler: "DDIMScheduler", InitImage: small}, []string{"scheduler"}},
		{"mode", JobRequest{Prompt: "x", Mode: "magic"}, []string{"mode"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, faults := test.request.Spec(model, 1)
			var fields []string
			for _, f := range faults {
				fields = append(fields, f.Field)
			}
			if !slices.Equal(fields, test.want) {
				t.Errorf("got %v, want %v", faults, test.want)
			}
			if len(faults) == 0 && (s.Width != 64 || s.Height != 96) {
				t.Errorf("size %d x %d, want the init image's", s.Width, s.Height)
			}
		})
	}
}

func TestStrengthLeavesStepsOut(t *testing.T) {
	for strength, want := range map[float64]int{1: 20, 0.8: 16, 0.05: 1, 0.04: 0} {
		s := ImageSpec{Steps: 20, Strength: strength, InitImage: &Input{}}
		if got := s.EffectiveSteps(); got != want {
			t.Errorf("strength %g leaves %d steps, want %d", strength, got, want)
		}
	}
	for steps := 1; steps <= MaxSteps; steps++ {
		s := ImageSpec{Steps: steps, Strength: leastStrength(steps), InitImage: &Input{}}
		if got := s.EffectiveSteps(); got != 1 {
			t.Errorf("of %d steps the least strength %g leaves %d", steps, s.Strength, got)
		}
	}
	if got := (ImageSpec{Steps: 20}).EffectiveSteps(); got != 20 {
		t.Errorf("without an init image %d steps", got)
	}
}

// What a scheduler needs beside itself is filled in, and what the request says comes first.
func TestSchedulersHaveDefaultsOfTheirOwn(t *testing.T) {
	m := model
	m.SchedulerDefaults = map[string]SchedulerDefaults{"LCMScheduler": {Steps: 6, GuidanceScale: 1, LoRA: "lcm"}}
	s, _ := JobRequest{Prompt: "x", Scheduler: "LCMScheduler"}.Spec(m, 1)
	if s.Steps != 6 || s.GuidanceScale != 1 || len(s.LoRAs) != 1 || s.LoRAs[0] != (LoRA{"lcm", 1}) {
		t.Errorf("got %+v", s)
	}
	s, _ = JobRequest{Prompt: "x", Scheduler: "LCMScheduler", Steps: to(4), LoRAs: []LoRA{{"lcm", 0.5}}}.Spec(m, 1)
	if s.Steps != 4 || len(s.LoRAs) != 1 || s.LoRAs[0].Weight != 0.5 {
		t.Errorf("got %+v", s)
	}
}

func FuzzReadInput(f *testing.F) {
	f.Add(pngFile(f, 3, 2))
	f.Add(turned([]byte("\xff\xd8\xff\xdb"), 6, binary.BigEndian))
	f.Add(webpFile(f, "5650384c"+"00000000"+"2f"+"1dc00400"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in, err := ReadInput(file)
		if err == nil && (in.Width < 1 || in.Height < 1 || in.Width*in.Height > MaxInputPixels) {
			t.Errorf("took %+v", in)
		}
	})
}
