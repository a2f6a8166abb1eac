package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/easelgrid/easel/api"
)

// ProtocolVersion of the stdio wire; docs/protocol.md has the history.
const ProtocolVersion = 2

// maxLine is the most bytes of one line, either way. A preview of api.MaxPreview fits in base64.
const maxLine = 256 << 10

// EnvLaunch names the environment variable that carries the launch id to the child.
const EnvLaunch = "EASEL_LAUNCH"

// A Request is one line to the child. Exactly one of the pointers is set.
type Request struct {
	Launch   string    `json:"launch"`
	Job      string    `json:"job"` // opaque reference, echoed in every answer
	Load     *Load     `json:"load,omitempty"`
	Generate *Generate `json:"generate,omitempty"`
	Cancel   *Cancel   `json:"cancel,omitempty"`
}

// Load asks for a model in memory; the answer is Done or Error.
type Load struct {
	Model string `json:"model"`
}

// Generate asks for the images of a spec, written into Dir as plain PNG files; the answer ends with
// Done or Error. The init image and the mask of the spec are already there, as init.png (8-bit colour)
// and mask.png (8-bit grey), at exactly the spec's size.
type Generate struct {
	Spec api.ImageSpec `json:"spec"`
	Dir  string        `json:"dir"`
	// PreviewEvery is how many steps lie between previews; 0 means none.
	PreviewEvery int `json:"preview_every"`
}

// Cancel ends the named job within one step; the answer is an Error with api.CodeCanceled.
type Cancel struct{}

// An Event is one line from the child. Exactly one of the pointers is set.
type Event struct {
	Launch   string        `json:"launch"`
	Job      string        `json:"job,omitempty"`
	Hello    *Hello        `json:"hello,omitempty"`
	Progress *api.Progress `json:"progress,omitempty"`
	Preview  *Preview      `json:"preview,omitempty"`
	Image    *File         `json:"image,omitempty"`
	Done     *Made         `json:"done,omitempty"`
	Error    *api.Error    `json:"error,omitempty"`
}

// Hello is the child's first line.
type Hello struct {
	Protocol int         `json:"protocol"`
	Runtime  api.Runtime `json:"runtime"`
}

// A Preview is a small JPEG of the unfinished image.
type Preview struct {
	Image int    `json:"image"`
	Step  int    `json:"step"`
	JPEG  []byte `json:"jpeg"` // at most api.MaxPreview bytes
}

// A File is a finished image in the job's directory, with the engine's own pixels.
type File struct {
	Name string `json:"name"` // a base name within Generate.Dir
	api.Image
}

// DecodeRequest reads one line from the agent.
func DecodeRequest(line []byte) (Request, error) {
	var r Request
	if err := decodeLine(line, &r); err != nil {
		return Request{}, err
	}
	return r, nil
}

// DecodeEvent reads one line from the child.
func DecodeEvent(line []byte) (Event, error) {
	var e Event
	if err := decodeLine(line, &e); err != nil {
		return Event{}, err
	}
	return e, nil
}

func decodeLine(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decode line: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode line: data after the message")
	}
	return nil
}

// lineWriter writes JSON lines; its methods may be called from several goroutines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) write(message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	if len(line) > maxLine {
		return fmt.Errorf("line of %d bytes, limit %d", len(line), maxLine)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(append(line, '\n'))
	return err
}

// lines returns a scanner of r that refuses lines longer than maxLine.
func lines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return s
}
