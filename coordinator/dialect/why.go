package dialect

import (
	"maps"
	"slices"

	"github.com/easelgrid/easel/api"
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

// Strict notes every field that was not looked for as a fault. It comes after all reading.
func (o *Object) Strict() {
	for _, field := range slices.Sorted(maps.Keys(o.fields)) {
		if !o.read[o.path+field] {
			o.fault(NoSuchField, field, "", "nothing: there is no such field")
		}
	}
}

// Refuse notes a fault where a field is there that asks for something easel cannot do.
func (o *Object) Refuse(field, because string) {
	if raw := o.Raw(field); raw != nil {
		o.Fault(field, kindOf(raw), "nothing: "+because)
	}
}

// A Refusal is the error of an Object's faults that still knows the kind of each.
type Refusal struct {
	cause *api.Error
	whys  map[string]Why
}

func (r *Refusal) Error() string { return r.cause.Message }

// Unwrap makes the error one that crosses wires.
func (r *Refusal) Unwrap() error { return r.cause }

// Why is the kind of a field's fault.
func (r *Refusal) Why(field string) Why { return r.whys[field] }

// Refusal is one error of all faults noted so far, nil when there are none.
func (o *Object) Refusal() error {
	if len(*o.faults) == 0 {
		return nil
	}
	return &Refusal{api.AsError(o.Err(), api.CodeInvalidRequest), maps.Clone(o.whys)}
}

// Has reports whether a field is there, without counting as having looked for it.
func (o *Object) Has(field string) bool {
	raw, ok := o.fields[field]
	return ok && string(raw) != "null"
}

// HasFault reports whether a fault was noted for a field.
func (o *Object) HasFault(field string) bool {
	_, ok := o.whys[o.path+field]
	return ok
}

// Miss notes that a field that has to be there is not.
func (o *Object) Miss(field, want string) { o.fault(Missing, field, "", want) }
