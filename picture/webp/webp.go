// Package webp writes pictures as WebP, in pure Go and to the same bytes on every machine.
//
// Lossy pictures are one VP8 key frame (RFC 6386), lossless ones a VP8L stream (RFC 9649 section 3).
// Transparency and metadata use the extended container (RFC 9649 section 2.7).
package webp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
)

// MaxSize is the largest width and height: the stream headers have 14 bits for each.
const MaxSize = 16383

// Options are how a picture is written.
type Options struct {
	// Quality is 1 to 99 for lossy compression, more is better and larger; 100 is lossless.
	Quality int
	// XMP and EXIF are stored as they are, each in its own chunk; empty leaves the chunk out.
	XMP, EXIF []byte
}

// Encode writes m to w. Lossless files keep every value, also the colours below zero alpha; lossy ones
// keep alpha exactly and may show any colour where nothing is visible. Errors are a picture without
// pixels or larger than MaxSize, a quality out of range, a picture that does not fit the format's
// length fields, and those of w.
func Encode(w io.Writer, m image.Image, o Options) error {
	if m == nil {
		return errors.New("webp: no picture")
	}
	size := m.Bounds().Size()
	if size.X < 1 || size.Y < 1 || size.X > MaxSize || size.Y > MaxSize {
		return fmt.Errorf("webp: the picture is %dx%d; from 1x1 to %dx%d is possible", size.X, size.Y, MaxSize, MaxSize)
	}
	if o.Quality < 1 || o.Quality > 100 {
		return fmt.Errorf("webp: quality %d; from 1 to 100 is possible", o.Quality)
	}
	file, err := container(pixels(m), o)
	if err != nil {
		return err
	}
	_, err = w.Write(file)
	return err
}

// container puts the chunks in the order of RFC 9649 section 2.7; a picture that needs only its
// stream is the simple file of section 2.5 or 2.6.
func container(m *image.NRGBA, o Options) ([]byte, error) {
	const hasXMP, hasEXIF, hasAlpha = 1 << 2, 1 << 3, 1 << 4
	var flags byte
	if len(o.XMP) > 0 {
		flags |= hasXMP
	}
	if len(o.EXIF) > 0 {
		flags |= hasEXIF
	}
	if !m.Opaque() {
		flags |= hasAlpha
	}
	lossless := o.Quality == 100
	var file riff
	if flags&^hasAlpha != 0 || flags != 0 && !lossless {
		file.chunk("VP8X", extended(flags, m.Rect.Size()))
	}
	if lossless {
		file.chunk("VP8L", encodeLossless(m))
	} else {
		if flags&hasAlpha != 0 {
			file.chunk("ALPH", encodeAlpha(m))
		}
		frame, err := encodeFrame(m, quantizerIndex(o.Quality))
		if err != nil {
			return nil, err
		}
		file.chunk("VP8 ", frame)
	}
	if len(o.EXIF) > 0 {
		file.chunk("EXIF", o.EXIF)
	}
	if len(o.XMP) > 0 {
		file.chunk("XMP ", o.XMP)
	}
	return file.bytes()
}

// extended is the payload of VP8X: flags, three reserved bytes and the size less one in 24 bits each.
func extended(flags byte, size image.Point) []byte {
	x, y := size.X-1, size.Y-1
	return []byte{flags, 0, 0, 0, byte(x), byte(x >> 8), byte(x >> 16), byte(y), byte(y >> 8), byte(y >> 16)}
}

// riff collects chunks (RFC 9649 section 2.3).
type riff struct{ body []byte }

func (r *riff) chunk(name string, payload []byte) {
	r.body = append(r.body, name...)
	r.body = binary.LittleEndian.AppendUint32(r.body, uint32(len(payload)))
	r.body = append(r.body, payload...)
	if len(payload)%2 == 1 {
		r.body = append(r.body, 0)
	}
}

func (r *riff) bytes() ([]byte, error) {
	const name = "WEBP"
	if int64(len(r.body)) > math.MaxUint32-10 {
		return nil, errors.New("webp: the file would be larger than 4 GiB")
	}
	file := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(name)+len(r.body)))
	return append(append(file, name...), r.body...), nil
}
