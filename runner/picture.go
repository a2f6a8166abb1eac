package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/image/draw"

	"github.com/easelgrid/easel/api"
)

// previewSide is the longer side of a preview in pixels, at most.
const previewSide = 256

// A Text is one text chunk of a PNG file: keyword and value.
type Text struct{ Keyword, Value string }

// Parameters returns the PNG text chunks that tell how image index of the spec was made.
func Parameters(spec api.ImageSpec, index int, info api.Runtime) []Text {
	spec.Seed, spec.N = spec.Seed+int64(index), 1
	body, err := json.Marshal(spec)
	if err != nil { // a spec that passed Faults holds no NaN
		panic(err)
	}
	return []Text{
		{"Software", "easel " + info.Name + " " + info.Version},
		{"Title", spec.Prompt},
		{"Seed", strconv.FormatInt(spec.Seed, 10)},
		{"easel", string(body)},
	}
}

// EncodePNG encodes a picture with its text chunks. The bytes depend on nothing but the arguments.
func EncodePNG(picture image.Image, texts []Text) ([]byte, error) {
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, picture); err != nil {
		return nil, fmt.Errorf("encode png: %w", err)
	}
	const head = 8 + 25 // signature and the IHDR chunk, which comes first
	plain := buffer.Bytes()
	out := append([]byte(nil), plain[:head]...)
	for _, t := range texts {
		out = appendChunk(out, t)
	}
	return append(out, plain[head:]...), nil
}

// appendChunk appends an iTXt chunk (PNG third edition, section 11.3.3.4): uncompressed UTF-8.
func appendChunk(out []byte, t Text) []byte {
	data := append([]byte("iTXt"+t.Keyword), 0, 0, 0, 0, 0)
	data = append(data, t.Value...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)-4))
	out = append(out, data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
}

// writePNG writes the picture under its final name only when it is whole.
func writePNG(dir, name string, picture image.Image, texts []Text) (File, error) {
	body, err := EncodePNG(picture, texts)
	if err != nil {
		return File{}, err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".part", body, 0o600); err != nil {
		return File{}, fmt.Errorf("write image: %w", err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return File{}, fmt.Errorf("write image: %w", err)
	}
	sum, size := sha256.Sum256(body), picture.Bounds().Size()
	return File{Name: name, Image: api.Image{
		Width: size.X, Height: size.Y, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(body)), Type: "image/png",
	}}, nil
}

// previewJPEG shrinks a picture to previewSide and encodes it, smaller still if it will not fit.
func previewJPEG(picture image.Image) ([]byte, error) {
	for side := previewSide; side >= 32; side /= 2 {
		small := shrink(picture, side)
		var buffer bytes.Buffer
		if err := jpeg.Encode(&buffer, small, &jpeg.Options{Quality: 80}); err != nil {
			return nil, fmt.Errorf("encode preview: %w", err)
		}
		if buffer.Len() <= api.MaxPreview {
			return buffer.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("preview does not fit in %d bytes", api.MaxPreview)
}

func shrink(picture image.Image, side int) image.Image {
	size := picture.Bounds().Size()
	longest := max(size.X, size.Y)
	if longest <= side {
		return picture
	}
	small := image.NewRGBA(image.Rect(0, 0, max(1, size.X*side/longest), max(1, size.Y*side/longest)))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), picture, picture.Bounds(), draw.Src, nil)
	return small
}
