// Package config reads the JSON configurations of a pipeline directory.
//
// What the engine does not implement must be refused, not guessed: every fault names the file, the field and
// the value. All faults of a file are collected.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// sizeLimit bounds a configuration file in bytes.
const sizeLimit = 1 << 20

// File is one configuration. Its methods take the value that a missing or null field stands for.
type File struct {
	name   string
	fields map[string]json.RawMessage
	faults []error
}

// Open reads the named file, a JSON object. Python writes -Infinity, which is not JSON, where a lower bound is
// none; it counts as missing.
func Open(fsys fs.FS, name string) (*File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > sizeLimit {
		return nil, fmt.Errorf("%s: %d bytes are above the limit of %d", name, info.Size(), sizeLimit)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	f := &File{name: name}
	data = bytes.ReplaceAll(data, []byte(`": -Infinity`), []byte(`": null`))
	if err := json.Unmarshal(data, &f.fields); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Err returns the faults found so far, or nil.
func (f *File) Err() error {
	if len(f.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", f.name, errors.Join(f.faults...))
}

// Fault records that the field's value cannot be used.
func (f *File) Fault(field, format string, args ...any) {
	value := f.fields[field]
	if value == nil {
		value = json.RawMessage("missing")
	}
	f.faults = append(f.faults, fmt.Errorf("%s is %s: %w", field, short(value), fmt.Errorf(format, args...)))
}

// short keeps a value from filling the error.
func short(value []byte) []byte {
	const limit = 120
	if len(value) > limit {
		return append(slices.Clone(value[:limit]), "..."...)
	}
	return value
}

// Has reports whether the field is there and not null.
func (f *File) Has(field string) bool {
	value, ok := f.fields[field]
	return ok && !bytes.Equal(value, []byte("null"))
}

// read decodes the field, or returns what it stands for when missing.
func read[T any](f *File, field string, missing T, kind string) T {
	if !f.Has(field) {
		return missing
	}
	var value T
	if err := json.Unmarshal(f.fields[field], &value); err != nil {
		f.Fault(field, "it must be %s", kind)
		return missing
	}
	return value
}

// Int reads a whole number in [low, high].
func (f *File) Int(field string, missing, low, high int) int {
	n := read(f, field, missing, "a whole number")
	if n < low || n > high {
		f.Fault(field, "it must be in %d to %d", low, high)
		return missing
	}
	return n
}

// Float reads a number.
func (f *File) Float(field string, missing float64) float64 {
	return read(f, field, missing, "a number")
}

// Bool reads true or false.
func (f *File) Bool(field string, missing bool) bool { return read(f, field, missing, "true or false") }

// String reads a string.
func (f *File) String(field, missing string) string { return read(f, field, missing, "a string") }

// Strings reads a list of strings.
func (f *File) Strings(field string, missing []string) []string {
	return read(f, field, missing, "a list of strings")
}

// Ints reads n whole numbers in [1, high]. One number stands for n of it.
func (f *File) Ints(field string, missing, n, high int) []int {
	if f.Has(field) && f.fields[field][0] != '[' {
		missing = f.Int(field, missing, 1, high)
	}
	list := slices.Repeat([]int{missing}, n)
	if !f.Has(field) || f.fields[field][0] != '[' {
		return list
	}
	values := read(f, field, list, "a whole number or a list of them")
	if len(values) != n {
		f.Fault(field, "it must have %d entries", n)
		return list
	}
	for _, v := range values {
		if v < 1 || v > high {
			f.Fault(field, "its entries must be in 1 to %d", high)
			return list
		}
	}
	return values
}

// List reads a list of at least one and at most limit whole numbers in [1, high].
func (f *File) List(field string, missing []int, limit, high int) []int {
	values := read(f, field, missing, "a list of whole numbers")
	if len(values) == 0 || len(values) > limit {
		f.Fault(field, "it must have 1 to %d entries", limit)
		return missing
	}
	for _, v := range values {
		if v < 1 || v > high {
			f.Fault(field, "its entries must be in 1 to %d", high)
			return missing
		}
	}
	return values
}

// Floats reads a list of numbers.
func (f *File) Floats(field string, missing []float64) []float64 {
	return read(f, field, missing, "a list of numbers")
}

// WholeNumbers reads a list of whole numbers, which may be empty.
func (f *File) WholeNumbers(field string) []int {
	return read[[]int](f, field, nil, "a list of whole numbers")
}

// Only refuses every value of the field except a missing one, null and those given, which are compared as
// JSON.
func (f *File) Only(field string, allowed ...any) {
	if !f.Has(field) {
		return
	}
	var value any
	if json.Unmarshal(f.fields[field], &value) != nil {
		f.Fault(field, "it is not JSON")
		return
	}
	got, _ := json.Marshal(value)
	var names []string
	for _, a := range allowed {
		want, _ := json.Marshal(a)
		if bytes.Equal(got, want) {
			return
		}
		names = append(names, string(want))
	}
	f.Fault(field, "the builtin runtime implements only %v", names)
}

// Token reads a token of a tokenizer's files: a string, or an object with the string "content" and the flag
// "normalized".
func (f *File) Token(field, missing string) (content string, normalized bool) {
	if !f.Has(field) || f.fields[field][0] != '{' {
		return f.String(field, missing), false
	}
	var token struct {
		Content    *string `json:"content"`
		Normalized bool    `json:"normalized"`
	}
	if err := json.Unmarshal(f.fields[field], &token); err != nil || token.Content == nil {
		f.Fault(field, "it must be a string or have a string named content")
		return missing, false
	}
	return *token.Content, token.Normalized
}
