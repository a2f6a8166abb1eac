package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// headerLimit is the largest header that the format allows, in bytes.
const headerLimit = 100_000_000

// rankLimit bounds the number of dimensions of one tensor. Real weights have at most five.
const rankLimit = 16

// entry is one tensor's line in the header, as written.
type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int64   `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// header is the JSON at the start of a file.
type header struct {
	entries  map[string]entry
	metadata map[string]string
}

// split cuts a file into its header and the bytes behind it.
func split(data []byte) (head, body []byte, err error) {
	if len(data) < 8 {
		return nil, nil, fmt.Errorf("the file has %d bytes, too few for a header length", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > headerLimit {
		return nil, nil, fmt.Errorf("the header length %d is above the limit of %d", n, headerLimit)
	}
	if n > uint64(len(data)-8) {
		return nil, nil, fmt.Errorf("the header length %d is more than the %d bytes that follow", n, len(data)-8)
	}
	return data[8 : 8+n], data[8+n:], nil
}

// parseHeader reads the JSON object. A name given twice is an error: two readers could disagree on it.
func parseHeader(head []byte) (header, error) {
	h := header{entries: map[string]entry{}}
	if len(head) == 0 || head[0] != '{' {
		return h, errors.New("the header is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(head))
	if _, err := dec.Token(); err != nil {
		return h, fmt.Errorf("the header: %w", err)
	}
	for dec.More() {
		if err := h.readEntry(dec); err != nil {
			return h, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return h, fmt.Errorf("the header: %w", noEOF(err))
	}
	if rest := bytes.Trim(head[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return h, errors.New("the header has bytes behind its JSON object")
	}
	return h, nil
}

// readEntry reads one name and its value.
func (h *header) readEntry(dec *json.Decoder) error {
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("the header: %w", noEOF(err))
	}
	name, _ := token.(string)
	if name == "__metadata__" {
		if h.metadata != nil {
			return errors.New("the header names __metadata__ twice")
		}
		h.metadata = map[string]string{}
		if err := dec.Decode(&h.metadata); err != nil {
			return fmt.Errorf("the header's __metadata__: %w", noEOF(err))
		}
		return nil
	}
	if _, twice := h.entries[name]; twice {
		return fmt.Errorf("the header names the tensor %q twice", name)
	}
	var e entry
	if err := dec.Decode(&e); err != nil {
		return fmt.Errorf("the header's tensor %q: %w", name, noEOF(err))
	}
	h.entries[name] = e
	return nil
}

// noEOF names the end of the header for what it is; io.EOF alone reads like a clean end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// byteSize returns how many bytes the entry's type and shape need.
func (e entry) byteSize() (uint64, error) {
	size, known := itemSize[DType(e.DType)]
	if !known {
		return 0, fmt.Errorf("unknown dtype %q", e.DType)
	}
	if len(e.Shape) > rankLimit {
		return 0, fmt.Errorf("%d dimensions are above the limit of %d", len(e.Shape), rankLimit)
	}
	total := size
	for _, side := range e.Shape {
		if side < 0 {
			return 0, fmt.Errorf("the shape %v has a negative side", e.Shape)
		}
		hi, lo := bits.Mul64(total, uint64(side))
		if hi != 0 {
			return 0, fmt.Errorf("the shape %v overflows", e.Shape)
		}
		total = lo
	}
	return total, nil
}

// check verifies every entry against the body: the tensors must cover it exactly, without overlap or hole.
func (h header) check(body int) error {
	type span struct {
		name       string
		begin, end uint64
	}
	spans := make([]span, 0, len(h.entries))
	for name, e := range h.entries {
		want, err := e.byteSize()
		if err != nil {
			return fmt.Errorf("the tensor %q: %w", name, err)
		}
		begin, end := e.Offsets[0], e.Offsets[1]
		if begin > end || end > uint64(body) {
			return fmt.Errorf("the tensor %q lies at bytes %d to %d of %d", name, begin, end, body)
		}
		if end-begin != want {
			return fmt.Errorf("the tensor %q has %d bytes, its dtype and shape need %d", name, end-begin, want)
		}
		spans = append(spans, span{name, begin, end})
	}
	slices.SortFunc(spans, func(a, b span) int {
		return bytes.Compare(key(a.begin, a.end, a.name), key(b.begin, b.end, b.name))
	})
	at := uint64(0)
	for _, s := range spans {
		if s.begin != at {
			return fmt.Errorf("the tensor %q begins at byte %d, the one before it ends at %d", s.name, s.begin, at)
		}
		at = s.end
	}
	if at != uint64(body) {
		return fmt.Errorf("the tensors end at byte %d of %d", at, body)
	}
	return nil
}

// key orders spans by begin, end and name in one comparison.
func key(begin, end uint64, name string) []byte {
	k := binary.BigEndian.AppendUint64(nil, begin)
	k = binary.BigEndian.AppendUint64(k, end)
	return append(k, name...)
}
