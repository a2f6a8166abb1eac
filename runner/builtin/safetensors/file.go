// Package safetensors reads model weights from files in the safetensors format.
//
// A file is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. Files come from
// strangers, so everything is checked before anything is used: a damaged or hostile file is an error, never a
// panic, and nothing is allocated beyond the file's own size and what its header needs.
package safetensors

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// File is a checked file in memory. It is read-only and safe for concurrent use.
type File struct {
	name    string
	body    []byte
	header  header
	ordered []string
}

// Open reads and checks the named file of fsys.
func Open(fsys fs.FS, name string) (*File, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.name = name
	return f, nil
}

// Parse checks the bytes of a whole file. The file keeps data and expects it to stay unchanged.
func Parse(data []byte) (*File, error) {
	head, body, err := split(data)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	if err := h.check(len(body)); err != nil {
		return nil, err
	}
	return &File{body: body, header: h, ordered: slices.Sorted(maps.Keys(h.entries))}, nil
}

// Name returns the name that the file was opened by, or "" after Parse.
func (f *File) Name() string { return f.name }

// Names returns the tensors' names in alphabetical order.
func (f *File) Names() []string { return f.ordered }

// Metadata returns the free text that the writer stored under key, or "".
func (f *File) Metadata(key string) string { return f.header.metadata[key] }

// Tensor returns the named tensor and whether the file has it.
func (f *File) Tensor(name string) (Tensor, bool) {
	e, ok := f.header.entries[name]
	if !ok {
		return Tensor{}, false
	}
	shape := make([]int, len(e.Shape))
	for i, side := range e.Shape {
		shape[i] = int(side)
	}
	return Tensor{DType: DType(e.DType), Shape: shape, raw: f.body[e.Offsets[0]:e.Offsets[1]]}, true
}
