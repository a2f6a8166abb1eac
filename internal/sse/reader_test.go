package sse_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/easelgrid/easel/internal/sse"
)

func event(id, name, data string) sse.Event { return sse.Event{ID: id, Name: name, Data: []byte(data)} }

// readAll returns the events before the error, and the error.
func readAll(in io.Reader, limit int) (events []sse.Event, err error) {
	for r := sse.NewReader(in, limit); ; {
		e, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

func TestReader(t *testing.T) {
	for _, test := range []struct {
		name, stream string
		want         []sse.Event
	}{
		{"nothing", "", nil},
		{"two events", "id: 1\nevent: job\ndata: {}\n\nevent: image\ndata: x\n\n", []sse.Event{event("1", "job", "{}"), event("", "image", "x")}},
		{"lines of data", "data: YHOO\ndata: +2\ndata: 10\n\n", []sse.Event{event("", "", "YHOO\n+2\n10")}},
		{"data without a value", "data\n\ndata\ndata\n\ndata:", []sse.Event{event("", "", ""), event("", "", "\n")}},
		{"with and without a space", "data:test\n\ndata: test\n\ndata:  test\n\n", []sse.Event{event("", "", "test"), event("", "", "test"), event("", "", " test")}},
		{"comments and unknown fields", ": still here\n\nretry: 10\nevent: a\n: x\nother\ndata: y\n\n", []sse.Event{event("", "a", "y")}},
		{"a name without data is no event", "event: a\n\ndata: y\n\n", []sse.Event{event("", "", "y")}},
		{"line ends of other systems", "event: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n", []sse.Event{event("", "a", "b"), event("", "", "c"), event("", "", "d")}},
		{"a byte order mark", "\ufeffdata: a\n\n", []sse.Event{event("", "", "a")}},
		{"a colon in the data", "data: a: b\n\n", []sse.Event{event("", "", "a: b")}},
		{"an id with a zero byte", "id: 1\x00\ndata: a\n\n", []sse.Event{event("", "", "a")}},
		{"the end within an event", "data: a\n\ndata: b\n", []sse.Event{event("", "", "a")}},
		{"the end within a line", "data: a\n\ndata: b", []sse.Event{event("", "", "a")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, in := range map[string]io.Reader{
				"at once": strings.NewReader(test.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(test.stream)),
			} {
				got, err := readAll(in, 1<<10)
				if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" || err != io.EOF {
					t.Errorf("%s: %v, (-want +got)\n%s", name, err, diff)
				}
			}
		})
	}
}

// An event is there when its blank line is, whatever comes next: a reader that waited for the byte
// behind a \r would give each event one too late.
func TestReaderDoesNotWait(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	go func() { _, _ = io.WriteString(out, "data: now\r\r") }()
	if e, err := sse.NewReader(in, 100).Next(); err != nil || string(e.Data) != "now" {
		t.Errorf("%q, %v", e.Data, err)
	}
}

func TestReaderLimit(t *testing.T) {
	for _, test := range []struct {
		name, stream string
		fits         bool
	}{
		{"exactly", "data: 7890\n\n", true},
		{"a long line", "data: 78901\n\n", false},
		{"a line without an end", "data: 7890123456789", false},
		{"many lines", "data:\ndata:\ndata:\n\n", false},
		{"a long comment", ": 34567890123\n\n", false},
		{"many short events", strings.Repeat("data: 7\n\n", 100), true},
		{"many comments", strings.Repeat(": 3456\n", 100), true},
		{"a long name and data", "event: 8\ndata: 7\n\n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(test.stream), 10)
			if test.fits && err != io.EOF || !test.fits && !errors.Is(err, sse.ErrTooLong) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("the line broke")
	in := io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken))
	if got, err := readAll(in, 100); len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%v, %v", got, err)
	}
}

// Whatever a server sends, the reader stays within its limit, and what it read is the same after it
// was written and read again.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"id: 1\nevent: job\ndata: {\"id\":\"a\"}\n\n: still here\n\nevent: image\ndata: a\ndata: b\n\n",
		"data: a\r\r\n\ndata\n\ndata: \x00\xff\n\nid: \x00\n\n", "\ufeff\ufeffdata:\n\n", ":::\n\nretry: 1\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 64
		events, _ := readAll(bytes.NewReader(stream), limit)
		reply := httptest.NewRecorder()
		w := sse.NewWriter(reply, 0)
		for _, e := range events {
			if len(e.ID)+len(e.Name)+len(e.Data) > limit {
				t.Fatalf("an event of more than %d bytes: %+v", limit, e)
			}
			if err := w.Event(e.ID, e.Name, e.Data); err != nil {
				t.Fatal(err)
			}
		}
		again, err := readAll(reply.Body, 8*limit) // with "data: " before each line
		if diff := cmp.Diff(events, again, cmpopts.EquateEmpty()); diff != "" || err != io.EOF {
			t.Fatalf("%v, (-first +again)\n%s", err, diff)
		}
	})
}
