package dialecttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
)

// Sharp fails the test if the document would let a reply pass that is broken: the reply, which has to be
// right, is tried with every value replaced by an object that is not documented.
func (c *Contract) Sharp(t *testing.T, r dialect.Route, status int, body []byte) {
	t.Helper()
	c.Reply(t, r, status, body)
	var whole any
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatal(err)
	}
	for place, broken := range breaks(whole) {
		text, err := json.Marshal(broken)
		if err != nil {
			t.Fatal(err)
		}
		if c.CheckReply(r, status, text) == nil {
			t.Errorf("%s %s: status %d: a reply passes that has an unknown object at %s", r.Method, r.Path, status, place)
		}
	}
}

// breaks are copies of a value with one inner value each, named by its place, that is an unknown object.
func breaks(value any) map[string]any {
	all := map[string]any{"": map[string]any{"?": true}}
	add := func(name string, inner any, with func(any) any) {
		for place, broken := range breaks(inner) {
			all[name+place] = with(broken)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			add("."+name, inner, func(broken any) any {
				changed := maps.Clone(value)
				changed[name] = broken
				return changed
			})
		}
	case []any:
		for i, inner := range value {
			add(fmt.Sprintf("[%d]", i), inner, func(broken any) any {
				changed := slices.Clone(value)
				changed[i] = broken
				return changed
			})
		}
	}
	return all
}
