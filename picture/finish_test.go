package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"github.com/easelgrid/easel/api"
)

// coloured is a picture with a red disc on blue.
func coloured(width, height int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p, p.Rect, image.NewUniform(color.NRGBA{20, 40, 200, 255}), image.Point{}, draw.Src)
	for y := range height {
		for x := range width {
			dx, dy := x-width/2, y-height/2
			if dx*dx+dy*dy < width*width/16 {
				p.SetNRGBA(x, y, color.NRGBA{220, 30, 30, 255})
			}
		}
	}
	return p
}

func noisy(width, height int) *image.NRGBA {
	p, random := image.NewNRGBA(image.Rect(0, 0, width, height)), rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		p.Pix[i] = uint8(random.Uint32())
		if i%4 == 3 {
			p.Pix[i] = 255
		}
	}
	return p
}

// finished sends a picture through the child's and the agent's end.
func finished(t *testing.T, spec api.ImageSpec, inputs Inputs, picture image.Image, flagged bool) ([]byte, api.Image) {
	t.Helper()
	spec.Width, spec.Height = picture.Bounds().Dx(), picture.Bounds().Dy()
	f := Finisher{dir: t.TempDir(), spec: spec, inputs: inputs, info: api.Runtime{Name: "test", Version: "1"}}
	name, plain, err := WritePlain(f.dir, 3, picture)
	if err != nil {
		t.Fatal(err)
	}
	plain.Seed, plain.Flagged = 45, flagged
	path, image, err := f.File(name, plain)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if image.Index != 3 || image.Seed != 45 || image.Bytes != int64(len(body)) || image.Flagged != flagged {
		t.Errorf("described as %+v", image)
	}
	if files, _ := filepath.Glob(filepath.Join(f.dir, "*")); len(files) != 1 {
		t.Errorf("the directory holds %v", files)
	}
	return body, image
}

func decoded(t *testing.T, body []byte) *image.NRGBA {
	t.Helper()
	picture, err := decodePicture(body)
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewNRGBA(picture.Bounds())
	draw.Draw(out, out.Rect, picture, picture.Bounds().Min, draw.Src)
	return out
}

func TestFormats(t *testing.T) {
	source := coloured(96, 64)
	for _, test := range []struct {
		name    string
		format  api.Format
		quality int
		kind    string
		off     int // levels by which a channel may differ
	}{
		{"none", "", 0, "image/png", 0},
		{"png", api.FormatPNG, 0, "image/png", 0},
		{"jpeg", api.FormatJPEG, 95, "image/jpeg", 255}, // edges of pure colours; the mean is what counts
		{"webp", api.FormatWebP, 95, "image/webp", 255},
		{"webp lossless", api.FormatWebP, 100, "image/webp", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			body, described := finished(t, api.ImageSpec{Prompt: "a red disc <&>", Format: test.format, Quality: test.quality}, Inputs{}, source, false)
			if described.Type != test.kind || described.Width != 96 {
				t.Errorf("described as %+v", described)
			}
			if !bytes.Contains(body, []byte("a red disc")) {
				t.Error("the file does not carry its prompt")
			}
			if in, err := api.ReadInput(body); err != nil || in.Type != test.kind || in.Width != 96 || in.Height != 64 {
				t.Errorf("its header reads %+v, %v", in, err)
			}
			got, sum := decoded(t, body), 0
			for i, v := range source.Pix {
				d := abs(int(got.Pix[i]) - int(v))
				sum += d
				if d > test.off {
					t.Fatalf("byte %d is %d, was %d", i, got.Pix[i], v)
				}
			}
			if mean := float64(sum) / float64(len(source.Pix)); mean > 4 {
				t.Errorf("channels differ by %.1f levels in the mean", mean)
			}
		})
	}
}

func TestQualityDecidesTheSize(t *testing.T) {
	for _, format := range []api.Format{api.FormatJPEG, api.FormatWebP} {
		low, _ := finished(t, api.ImageSpec{Format: format, Quality: 10}, Inputs{}, coloured(128, 128), false)
		high, _ := finished(t, api.ImageSpec{Format: format, Quality: 95}, Inputs{}, coloured(128, 128), false)
		if len(low) >= len(high) {
			t.Errorf("%s: %d bytes at quality 10, %d at 95", format, len(low), len(high))
		}
	}
}

func TestOutsideTheMaskNothingChanges(t *testing.T) {
	start, painted := noisy(64, 64), coloured(64, 64)
	mask := image.NewGray(start.Rect)
	draw.Draw(mask, image.Rect(10, 20, 40, 50), image.White, image.Point{}, draw.Src)
	spec := api.ImageSpec{InitImage: &api.Input{}, MaskImage: &api.Input{}}
	body, _ := finished(t, spec, Inputs{Init: start, Mask: mask}, painted, false)
	got := decoded(t, body)
	for i := range mask.Pix {
		want := start
		if mask.Pix[i] == 255 {
			want = painted
		}
		if !bytes.Equal(got.Pix[4*i:4*i+4], want.Pix[4*i:4*i+4]) {
			t.Fatalf("pixel %d is %v, want %v", i, got.Pix[4*i:4*i+4], want.Pix[4*i:4*i+4])
		}
	}
}

func TestSafetyActions(t *testing.T) {
	source := noisy(64, 64)
	for _, action := range []api.SafetyAction{api.SafetyBlack, api.SafetyBlur, api.SafetyPixelate, api.SafetyText} {
		t.Run(string(action), func(t *testing.T) {
			spec := api.ImageSpec{SafetyCheck: true, SafetyAction: action}
			clean, _ := finished(t, spec, Inputs{}, source, false)
			if !bytes.Equal(decoded(t, clean).Pix, source.Pix) {
				t.Error("a picture that is not flagged changed")
			}
			body, _ := finished(t, spec, Inputs{}, source, true)
			got := decoded(t, body)
			if same(got, source) > 0.5 {
				t.Error("most of the flagged picture is still there")
			}
			if colours := countColours(got); action == api.SafetyBlack && colours != 1 || action != api.SafetyBlack && colours < 2 {
				t.Errorf("%d colours", colours)
			}
		})
	}
	spec := api.ImageSpec{SafetyCheck: false}
	if body, _ := finished(t, spec, Inputs{}, source, true); !bytes.Equal(decoded(t, body).Pix, source.Pix) {
		t.Error("without a safety check the picture changed")
	}
}

func same(a, b *image.NRGBA) float64 {
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		if bytes.Equal(a.Pix[i:i+4], b.Pix[i:i+4]) {
			n++
		}
	}
	return float64(n) / float64(len(a.Pix)/4)
}

func countColours(p *image.NRGBA) int {
	seen := map[[4]byte]bool{}
	for i := 0; i < len(p.Pix); i += 4 {
		seen[[4]byte(p.Pix[i:i+4])] = true
	}
	return len(seen)
}

func TestTheBackgroundGoes(t *testing.T) {
	for _, format := range []api.Format{api.FormatPNG, api.FormatWebP} {
		t.Run(string(format), func(t *testing.T) {
			spec := api.ImageSpec{Background: api.BackgroundTransparent, Format: format, Quality: 100}
			body, _ := finished(t, spec, Inputs{}, coloured(64, 64), false)
			got := decoded(t, body)
			if a := got.NRGBAAt(1, 1).A; a != 0 {
				t.Errorf("the corner has alpha %d", a)
			}
			if p := got.NRGBAAt(32, 32); p != (color.NRGBA{220, 30, 30, 255}) {
				t.Errorf("the middle is %v", p)
			}
		})
	}
	// Half a step between background and subject becomes half transparent and of the subject's side.
	p := image.NewNRGBA(image.Rect(0, 0, 9, 9))
	draw.Draw(p, p.Rect, image.NewUniform(color.NRGBA{0, 0, 200, 255}), image.Point{}, draw.Src)
	p.SetNRGBA(4, 4, color.NRGBA{35, 0, 200, 255})
	cutOut(p)
	if c := p.NRGBAAt(4, 4); c.A < 120 || c.A > 135 || c.R < 65 || c.R > 75 {
		t.Errorf("an edge became %v", c)
	}
}

// file is what WritePlain returned.
type file struct {
	name string
	api.Image
}

func TestBadFilesOfARuntimeAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		spoil  func(dir string, f *file)
		naming string
	}{
		{"a path", func(_ string, f *file) { f.name = "../x.png" }, "outside its directory"},
		{"missing", func(dir string, f *file) { os.Remove(filepath.Join(dir, f.name)) }, "cannot be read"},
		{"another file", func(_ string, f *file) { f.SHA256 = strings.Repeat("0", 64) }, "not the file the runtime described"},
		{"another size", func(dir string, f *file) { f.name, f.Image, _ = WritePlain(dir, 0, coloured(32, 32)) }, "want a PNG file of 64 x 64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := Finisher{dir: t.TempDir(), spec: api.ImageSpec{Width: 64, Height: 64}}
			var plain file
			var err error
			if plain.name, plain.Image, err = WritePlain(f.dir, 0, coloured(64, 64)); err != nil {
				t.Fatal(err)
			}
			test.spoil(f.dir, &plain)
			if _, _, err := f.File(plain.name, plain.Image); err == nil || !strings.Contains(err.Error(), test.naming) {
				t.Errorf("got %v, want %s", err, test.naming)
			}
		})
	}
}

// input writes a picture as a job's directory holds it, and describes it.
func input(t *testing.T, dir string, picture image.Image) *api.Input {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	in, err := api.ReadInput(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, in.FileName()), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &in
}

func TestInputsReachTheChildAtTheSpecsSize(t *testing.T) {
	dir := t.TempDir()
	half := image.NewNRGBA(image.Rect(0, 0, 64, 64)) // transparent but for its left half
	draw.Draw(half, image.Rect(0, 0, 32, 64), image.NewUniform(color.NRGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
	spec := api.ImageSpec{Width: 128, Height: 96, InitImage: input(t, dir, half), MaskImage: input(t, dir, half)}
	sent, err := Prepare(dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent.Init.Pix, got.Init.Pix) || !bytes.Equal(sent.Mask.Pix, got.Mask.Pix) {
		t.Error("the child sees other pictures than the parent")
	}
	if left, right := got.Init.NRGBAAt(10, 50), got.Init.NRGBAAt(120, 50); left != (color.NRGBA{255, 0, 0, 255}) || right != (color.NRGBA{255, 255, 255, 255}) {
		t.Errorf("left %v, right %v; want red, and white for nothing", left, right)
	}
	if l, r := got.Mask.GrayAt(10, 50).Y, got.Mask.GrayAt(120, 50).Y; l != 0 || r != 255 {
		t.Errorf("mask left %d, right %d; want red as black, white as white", l, r)
	}
}

// What a camera notes about how it was held decides where the top is, and so which side the width is.
func TestInputsAreUpright(t *testing.T) {
	// A picture whose corner is red, as it lies in the file for each orientation.
	corner := map[int]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 1}, 4: {0, 1}, 5: {0, 0}, 6: {0, 1}, 7: {1, 1}, 8: {1, 0}}
	for orientation, at := range corner {
		t.Run(strconv.Itoa(orientation), func(t *testing.T) {
			width, height := 128, 64
			if orientation > 4 {
				width, height = 64, 128
			}
			lying := image.NewNRGBA(image.Rect(0, 0, width, height))
			draw.Draw(lying, lying.Rect, image.White, image.Point{}, draw.Src)
			spot := image.Rect(0, 0, 16, 16).Add(image.Pt(at.X*(width-16), at.Y*(height-16)))
			draw.Draw(lying, spot, image.NewUniform(color.NRGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
			var b bytes.Buffer
			if err := jpeg.Encode(&b, lying, &jpeg.Options{Quality: 100}); err != nil {
				t.Fatal(err)
			}
			note := "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" +
				string(rune(orientation)) + "\x00\x00\x00\x00\x00\x00"
			body := slices.Concat(b.Bytes()[:2], []byte(note), b.Bytes()[2:])
			in, err := api.ReadInput(body)
			if err != nil || in.Width != 128 || in.Height != 64 {
				t.Fatalf("described as %+v, %v", in, err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, in.FileName()), body, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, size := range []image.Point{{128, 64}, {64, 96}} {
				got, err := Prepare(dir, api.ImageSpec{Width: size.X, Height: size.Y, InitImage: &in})
				if err != nil {
					t.Fatal(err)
				}
				if p := got.Init.NRGBAAt(3, 3); got.Init.Rect.Size() != size || p.R < 200 || p.G > 60 {
					t.Errorf("at %v: the corner of %v is %v, want red", size, got.Init.Rect, p)
				}
				if p := got.Init.NRGBAAt(size.X-4, size.Y-4); p.G < 200 {
					t.Errorf("at %v: the other corner is %v, want white", size, p)
				}
			}
		})
	}
}

func TestInputsThatAreNotWhatTheRequestSays(t *testing.T) {
	dir := t.TempDir()
	in := input(t, dir, coloured(64, 64))
	other := *in
	other.Width = 32
	missing := *in
	missing.SHA256 = strings.Repeat("0", 64)
	broken := input(t, dir, coloured(48, 48))
	path := filepath.Join(dir, broken.FileName())
	body, _ := os.ReadFile(path)
	body[len(body)/2] ^= 0xff
	_ = os.WriteFile(path, body, 0o600)
	for name, in := range map[string]*api.Input{"another size": &other, "missing": &missing, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			_, err := Prepare(dir, api.ImageSpec{Width: 64, Height: 64, InitImage: in})
			if err == nil || !strings.Contains(err.Error(), "init_image") {
				t.Errorf("got %v", err)
			}
		})
	}
}
