package dialect

import (
	"errors"
	"slices"
	"strings"

	"github.com/easelgrid/easel/api"
)

// Rename gives an error's faults the names that the vendor has for the fields, where names has one for
// the field or for what comes before its first dot or bracket. The message is made anew of them.
func Rename(err error, names map[string]string) error {
	e, ok := err.(*api.Error)
	if !ok || len(e.Faults) == 0 {
		return err
	}
	renamed := *e
	renamed.Faults = slices.Clone(e.Faults)
	texts := make([]string, len(renamed.Faults))
	for i := range renamed.Faults {
		renamed.Faults[i].Field = rename(renamed.Faults[i].Field, names)
		texts[i] = renamed.Faults[i].String()
	}
	renamed.Message = strings.Join(texts, "; ")
	return &renamed
}

func rename(field string, names map[string]string) string {
	if name, ok := names[field]; ok {
		return name
	}
	end := strings.IndexAny(field, ".[")
	if end < 0 {
		return field
	}
	if name, ok := names[field[:end]]; ok {
		return name + field[end:]
	}
	return field
}

// Faulty reports whether an error has a fault of one of the fields.
func Faulty(err error, fields ...string) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && slices.ContainsFunc(e.Faults, func(f api.Fault) bool { return slices.Contains(fields, f.Field) })
}
