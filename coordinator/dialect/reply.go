package dialect

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/easelgrid/easel/api"
)

// A Reply is a JSON reply with pictures in it, in base64. They are read from where they are stored
// while the reply is written, so that none is in memory as a whole.
//
//	reply := dialect.NewReply()
//	defer reply.Close()
//	text, err := reply.Base64(service.Open(ctx, job.ID, 0))
//	...
//	reply.Write(w, http.StatusOK, map[string]string{"image": text})
type Reply struct {
	token    string // stands for a picture until it is written; it cannot be guessed
	pictures []picture
}

type picture struct {
	from  io.ReadCloser
	bytes int64
}

// NewReply makes one without pictures.
func NewReply() *Reply { return &Reply{token: "\x7f" + rand.Text() + "\x7f"} }

// Base64 is the text to put into the reply where the picture is wanted, once. It takes what
// [Pictures.Open] returns.
func (r *Reply) Base64(from io.ReadCloser, image api.Image, err error) (string, error) {
	if err != nil {
		return "", err
	}
	r.pictures = append(r.pictures, picture{from, image.Bytes})
	return r.token + strconv.Itoa(len(r.pictures)-1) + ";", nil
}

// Images are the base64 texts of a job's images, in order.
func (r *Reply) Images(ctx context.Context, from Pictures, job api.Job) ([]string, error) {
	texts := make([]string, len(job.Images))
	for i, image := range job.Images {
		text, err := r.Base64(from.Open(ctx, job.ID, image.Index))
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// Close closes the pictures.
func (r *Reply) Close() {
	for _, p := range r.pictures {
		_ = p.from.Close() // it was only read
	}
}

// A part of a reply is JSON text and the picture behind it, if there is one.
type part struct {
	text    []byte
	picture *picture
}

// parts cuts the encoded value where its pictures are.
func (r *Reply) parts(value any) ([]part, error) {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	rest := bytes.TrimSuffix(encoded.Bytes(), []byte("\n"))
	var parts []part
	for {
		text, after, found := bytes.Cut(rest, []byte(r.token))
		if !found {
			return append(parts, part{text: rest}), nil
		}
		index, tail, _ := bytes.Cut(after, []byte(";"))
		n, err := strconv.Atoi(string(index))
		if err != nil || n >= len(r.pictures) {
			return nil, fmt.Errorf("reply names picture %q of %d", index, len(r.pictures))
		}
		parts = append(parts, part{text, &r.pictures[n]})
		rest = tail
	}
}

func (r *Reply) size(parts []part) int64 {
	var n int64
	for _, p := range parts {
		n += int64(len(p.text))
		if p.picture != nil {
			n += (p.picture.bytes + 2) / 3 * 4
		}
	}
	return n
}

// Write sends the value as the JSON of a response with its length. After an error the response is
// cut short or, where nothing was sent yet, the value has no JSON.
func (r *Reply) Write(w http.ResponseWriter, status int, value any) error {
	parts, err := r.parts(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.FormatInt(r.size(parts), 10))
	w.WriteHeader(status)
	return copyParts(w, parts)
}

// WriteTo sends the value's JSON to a stream that has begun already.
func (r *Reply) WriteTo(w io.Writer, value any) error {
	parts, err := r.parts(value)
	if err != nil {
		return err
	}
	return copyParts(w, parts)
}

// replyBuffer is read, and encoded to a third more, at a time. It is a multiple of 3, so that only
// the end of a picture is padded.
const replyBuffer = 24 << 10

func copyParts(to io.Writer, parts []part) error {
	out := bufio.NewWriterSize(to, replyBuffer)
	for _, p := range parts {
		if _, err := out.Write(p.text); err != nil {
			return err
		}
		if p.picture == nil {
			continue
		}
		if err := copyBase64(out, io.LimitReader(p.picture.from, p.picture.bytes), p.picture.bytes); err != nil {
			return err
		}
	}
	return out.Flush()
}

func copyBase64(out io.Writer, from io.Reader, want int64) error {
	encoder := base64.NewEncoder(base64.StdEncoding, out)
	// io.Copy's buffer, and not the reader's own way of writing itself.
	n, err := io.CopyBuffer(encoder, struct{ io.Reader }{from}, make([]byte, replyBuffer))
	if err == nil && n != want {
		err = fmt.Errorf("picture has %d bytes, want %d: %w", n, want, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	return encoder.Close()
}

// WriteJSON sends a reply without pictures.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	_ = NewReply().Write(w, status, value) // a client that went away has no use for an error
}
