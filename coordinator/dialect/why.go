package dialect

import (
	"maps"
	"slices"
)

// A Why is the kind of a fault, for vendors whose errors have a code of it.
type Why int

// The kinds of faults.
const (
	WrongValue Why = iota // whatever is none of the others
	WrongType
	TooLow
	TooHigh
	TooLong
	Missing
	NoSuchField
)

func beyond(low bool) Why {
	if low {
		return TooLow
	}
	return TooHigh
}

// Why is the kind of the last fault of a field, by its whole name.
func (o *Object) Why(field string) Why { return o.whys[field] }

// Read are the fields that were looked for, also within objects, in order of the alphabet: what a
// decoder knows.
func (o *Object) Read() []string { return slices.Sorted(maps.Keys(o.read)) }

// Strict notes every field that nobody looked for as a fault. It comes after all reading.
func (o *Object) Strict() {
	for _, field := range slices.Sorted(maps.Keys(o.fields)) {
		if !o.read[o.path+field] {
			o.fault(NoSuchField, field, "", "no such field")
		}
	}
}

// Refuse notes a fault where a field is there that asks for something easel cannot do.
func (o *Object) Refuse(field, because string) {
	if raw := o.Raw(field); raw != nil {
		o.Fault(field, kindOf(raw), "nothing: "+because)
	}
}
