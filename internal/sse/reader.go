package sse

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// ErrTooLong is the error of an event that is longer than its reader allows.
var ErrTooLong = errors.New("a server-sent event is too long")

// A Reader takes events from a stream. It keeps one event in memory, of a bounded length.
type Reader struct {
	in    *bufio.Reader
	limit int
	line  []byte
	cr    bool // the last line ended with \r, so a \n that follows belongs to it
	begun bool // the mark at the start of the stream was looked for
}

// NewReader returns a reader of events of at most limit bytes, counted over the lines of its fields.
// No other line may be longer either.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReader(r), limit: limit}
}

// Next returns the next event that has data; comments and unknown fields are passed over. At the end
// of the stream it returns io.EOF, and what was not yet a whole event is lost, as the standard wants.
// Reading on after an error makes no sense.
func (r *Reader) Next() (Event, error) {
	var event Event
	left, some := r.limit, false
	for {
		line, err := r.next(left)
		if err != nil {
			return Event{}, err
		}
		if line == "" {
			if some {
				return event, nil
			}
			event, left = Event{}, r.limit
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		default: // a comment or a field of a later standard
			continue
		case "event":
			event.Name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				event.ID = value
			}
		case "data":
			if some {
				event.Data = append(event.Data, '\n')
			}
			event.Data, some = append(event.Data, value...), true
		}
		left -= len(line)
	}
}

// next returns the next line without its end, which is \n, \r or both. A line that the stream ends in
// is none.
func (r *Reader) next(limit int) (string, error) {
	if !r.begun {
		r.begun = true
		if mark, err := r.in.Peek(3); err == nil && string(mark) == "\ufeff" {
			_, _ = r.in.Discard(len(mark))
		}
	}
	for r.line = r.line[:0]; ; {
		c, err := r.in.ReadByte()
		if err != nil {
			return "", err
		}
		second := c == '\n' && r.cr
		r.cr = c == '\r'
		switch {
		case second:
		case c == '\n' || c == '\r':
			return string(r.line), nil
		case len(r.line) == limit:
			return "", ErrTooLong
		default:
			r.line = append(r.line, c)
		}
	}
}
