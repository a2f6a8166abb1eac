package webp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	decoder "golang.org/x/image/webp"
	"pgregory.net/rapid"
)

func encode(t rapid.TB, m image.Image, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, m, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t rapid.TB, file []byte) image.Image {
	t.Helper()
	m, err := decoder.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	for content := range contents {
		for _, size := range sizes {
			m := draw(content, size.X, size.Y)
			for _, quality := range []int{1, 50, 90, 100} {
				t.Run(fmt.Sprintf("%s %v quality %d", content, size, quality), func(t *testing.T) {
					checkFile(t, m, encode(t, m, Options{Quality: quality}), quality)
				})
			}
		}
	}
}

// checkFile decodes a file and compares what must be equal: size, alpha and, if lossless, all.
func checkFile(t rapid.TB, m *image.NRGBA, file []byte, quality int) {
	t.Helper()
	config, err := decoder.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got := image.Pt(config.Width, config.Height); got != m.Rect.Size() {
		t.Errorf("the header has %v", got)
	}
	switch d := decode(t, file).(type) {
	case *image.NRGBA:
		if quality != 100 || d.Rect != m.Rect || !bytes.Equal(d.Pix, m.Pix) {
			t.Error("the lossless picture differs")
		}
	case *image.YCbCr:
		if quality == 100 || d.Rect != m.Rect || !m.Opaque() {
			t.Errorf("got an opaque lossy picture of %v", d.Rect)
		}
	case *image.NYCbCrA:
		if quality == 100 || d.Rect != m.Rect {
			t.Errorf("got a lossy picture of %v", d.Rect)
		}
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				if got, want := d.A[d.AOffset(x, y)], m.NRGBAAt(x, y).A; got != want {
					t.Fatalf("alpha %d at %d,%d, want %d", got, x, y, want)
				}
			}
		}
	default:
		t.Errorf("got %T", d)
	}
}

func TestLargePictures(t *testing.T) {
	for _, size := range []image.Point{{MaxSize, 2}, {2, MaxSize}, {4096, 33}, {640, 480}} {
		for _, quality := range []int{60, 100} {
			t.Run(fmt.Sprint(size, " quality ", quality), func(t *testing.T) {
				m := draw("cutout", size.X, size.Y)
				checkFile(t, m, encode(t, m, Options{Quality: quality}), quality)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, want string
		m          image.Image
		quality    int
	}{
		{"no picture", "no picture", nil, 80},
		{"empty", "0x5", image.NewGray(image.Rect(0, 0, 0, 5)), 80},
		{"too wide", "16384x1", image.NewGray(image.Rect(0, 0, MaxSize+1, 1)), 80},
		{"too high", "1x16384", image.NewGray(image.Rect(0, 0, 1, MaxSize+1)), 100},
		{"quality 0", "quality 0", image.NewGray(image.Rect(0, 0, 1, 1)), 0},
		{"quality 101", "quality 101", image.NewGray(image.Rect(0, 0, 1, 1)), 101},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Encode(&b, test.m, Options{Quality: test.quality})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

type brokenPipe struct{}

var errBroken = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

func TestWriterError(t *testing.T) {
	if err := Encode(brokenPipe{}, draw("flat", 3, 3), Options{Quality: 80}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// chunk is a part of a file as it should be; the streams' payloads are left out.
type chunk struct{ Name, Payload string }

func chunks(t *testing.T, file []byte) (list []chunk) {
	t.Helper()
	if string(file[:4]) != "RIFF" || int(binary.LittleEndian.Uint32(file[4:]))+8 != len(file) || string(file[8:12]) != "WEBP" {
		t.Fatalf("header % x for %d bytes", file[:12], len(file))
	}
	for rest := file[12:]; len(rest) > 0; {
		c := chunk{Name: string(rest[:4])}
		n := int(binary.LittleEndian.Uint32(rest[4:]))
		if c.Name != "VP8 " && c.Name != "VP8L" && c.Name != "ALPH" {
			c.Payload = string(rest[8:][:n])
		}
		list = append(list, c)
		rest = rest[8+n+n%2:]
	}
	return list
}

func TestContainer(t *testing.T) {
	extended := func(flags byte) chunk {
		return chunk{"VP8X", string([]byte{flags, 0, 0, 0, 19, 0, 0, 9, 0, 0})}
	}
	for _, test := range []struct {
		name, content string
		o             Options
		want          []chunk
	}{
		{"lossy", "waves", Options{Quality: 80}, []chunk{{Name: "VP8 "}}},
		{"lossless", "waves", Options{Quality: 100}, []chunk{{Name: "VP8L"}}},
		{"lossless with alpha", "cutout", Options{Quality: 100}, []chunk{{Name: "VP8L"}}},
		{"lossy with alpha", "cutout", Options{Quality: 80}, []chunk{extended(0x10), {Name: "ALPH"}, {Name: "VP8 "}}},
		{"lossy with XMP of odd length", "waves", Options{Quality: 80, XMP: []byte("<x/>.")},
			[]chunk{extended(0x04), {Name: "VP8 "}, {"XMP ", "<x/>."}}},
		{"lossless with everything", "cutout", Options{Quality: 100, XMP: []byte("xmp"), EXIF: []byte("exif")},
			[]chunk{extended(0x1c), {Name: "VP8L"}, {"EXIF", "exif"}, {"XMP ", "xmp"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := draw(test.content, 20, 10)
			file := encode(t, m, test.o)
			if diff := cmp.Diff(test.want, chunks(t, file)); diff != "" {
				t.Error(diff)
			}
			checkFile(t, m, file, test.o.Quality)
		})
	}
}

// Every kind of source gives the file of the same colours.
func TestSources(t *testing.T) {
	want := draw("waves", 20, 30)
	opaque := image.NewRGBA(want.Rect)
	copy(opaque.Pix, want.Pix)
	wide := image.NewNRGBA64(want.Rect)
	framed := image.NewNRGBA(image.Rect(-3, -4, 40, 40))
	for y := range 30 {
		for x := range 20 {
			wide.Set(x, y, want.At(x, y))
			framed.Set(x+5, y+6, want.At(x, y))
		}
	}
	for name, m := range map[string]image.Image{
		"RGBA": opaque, "NRGBA64": wide, "part of a larger picture": framed.SubImage(image.Rect(5, 6, 25, 36)),
	} {
		for _, quality := range []int{80, 100} {
			if !bytes.Equal(encode(t, m, Options{Quality: quality}), encode(t, want, Options{Quality: quality})) {
				t.Errorf("%s at quality %d differs", name, quality)
			}
		}
	}
	premultiplied := image.NewRGBA(image.Rect(0, 0, 1, 1))
	premultiplied.SetRGBA(0, 0, color.RGBA{50, 100, 0, 128})
	got := decode(t, encode(t, premultiplied, Options{Quality: 100})).At(0, 0)
	if got != (color.NRGBA{99, 199, 0, 128}) {
		t.Errorf("premultiplied colour became %v", got)
	}
}

// The bytes do not depend on the run or the machine. The digest changes with the encoder only.
func TestSameBytes(t *testing.T) {
	digest := func() string {
		h := sha256.New()
		for _, content := range []string{"gradient", "alpha noise", "text"} {
			for _, quality := range []int{1, 80, 100} {
				h.Write(encode(t, draw(content, 70, 50), Options{Quality: quality}))
			}
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	const want = "3146634d73904de557a4911a456b4f05659f06d0085d168c4bf6194d490c3b1d"
	for range 2 {
		if got := digest(); got != want {
			t.Errorf("the files have digest %s, want %s", got, want)
		}
	}
}
