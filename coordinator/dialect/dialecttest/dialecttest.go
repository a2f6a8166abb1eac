// Package dialecttest is what every dialect is checked against: its table of fields, its OpenAPI
// document and its decoder agree, its replies are those of the document, and what the decoder lets
// through can be made.
package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// model makes whatever a request may ask for.
var model = api.Model{
	Name: "any", Width: 512, Height: 512, Steps: 20, GuidanceScale: 5, Scheduler: "DDIMScheduler",
	ClosedVocabulary: true, PlainBackground: true,
}

// Valid fails the test if a job that a decoder let through has a fault that no model and no catalog
// could mend. A catalog mends sizes.
func Valid(t rapid.TB, job api.JobRequest) {
	t.Helper()
	if job.Width != nil && job.Height != nil {
		if *job.Width < 1 || *job.Height < 1 || *job.Width > api.MaxSide || *job.Height > api.MaxSide {
			t.Fatalf("the size is %d x %d", *job.Width, *job.Height)
		}
		job.Width, job.Height = nil, nil
	}
	if _, faults := job.Spec(model, 1); len(faults) > 0 {
		t.Fatalf("the decoder lets %v through", faults)
	}
}

// Refusal fails the test if an error of a decoder does not show a client what is wrong.
func Refusal(t rapid.TB, err error) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Message == "" || dialect.Status(e.Code)/100 != 4 {
		t.Fatalf("the decoder gives %v", err)
	}
}

// Fields fails the test if the fields that a decoder has read, the dialect's table of a request, and
// the properties in its OpenAPI document are not the same.
func Fields(t *testing.T, d dialect.Dialect, request string, r dialect.Route, read []string) {
	t.Helper()
	var table []string
	for _, f := range d.Fields() {
		if f.Request == request {
			table = append(table, f.Name)
			if f.Note == "" && f.Use != dialect.Harmless {
				t.Errorf("%s has no note", f.Name)
			}
		}
	}
	slices.Sort(table)
	if diff := cmp.Diff(table, leaves(read)); diff != "" {
		t.Errorf("the table has -, the decoder reads +:\n%s", diff)
	}
	described := leaves(properties(body(d, r), ""))
	if diff := cmp.Diff(table, described); diff != "" {
		t.Errorf("the table has -, the OpenAPI document has +:\n%s", diff)
	}
}

// leaves are the names that are not objects with fields of their own.
func leaves(names []string) []string {
	var kept []string
	for _, name := range names {
		if !slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+".") }) {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return kept
}

// body is the schema of what a route takes. There is one kind only.
func body(d dialect.Dialect, r dialect.Route) map[string]any {
	for _, content := range object(object(NewContract(d).operation(r)["requestBody"])["content"]) {
		return object(object(content)["schema"])
	}
	return nil
}

// documented is a route's path as OpenAPI writes it.
func documented(r dialect.Route) string { return strings.ReplaceAll(r.Prefix+r.Path, "...}", "}") }

func properties(schema map[string]any, path string) []string {
	var names []string
	all, _ := schema["properties"].(map[string]any)
	for name, inner := range all {
		names = append(names, path+name)
		if inner, ok := inner.(map[string]any); ok {
			names = append(names, properties(inner, path+name+".")...)
		}
	}
	return names
}

// Routes fails the test if a route is not in the OpenAPI document, or the other way round, or if a schema
// of the document is none.
func Routes(t *testing.T, d dialect.Dialect) {
	t.Helper()
	var routes, described []string
	contract := NewContract(d)
	for _, r := range d.Routes() {
		if err := contract.compile(r); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.Path, err)
		}
		routes = append(routes, r.Method+" "+documented(r))
		if r.Handle == nil {
			t.Errorf("%s %s has no handler", r.Method, r.Path)
		}
	}
	for path, methods := range d.Describe()["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(described)
	if diff := cmp.Diff(routes, described); diff != "" {
		t.Error(diff)
	}
}

// hostile are values that clients send by mistake or worse.
var hostile = []string{
	`null`, `true`, `0`, `-1`, `1`, `1.5`, `1e400`, `-0`, `9007199254740993`, `""`, `" "`, `"a"`, `"\u0000"`, `"\ud800"`, `"1"`,
	`[]`, `{}`, `[{}]`, `{"a":[null]}`, `"` + strings.Repeat("x", 2000) + `"`,
}

// Body draws a request: each field absent, one of the values that are likely for it, or hostile.
func Body(t *rapid.T, likely map[string][]string) []byte {
	var out bytes.Buffer
	out.WriteByte('{')
	names := make([]string, 0, len(likely))
	for name := range likely {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var value string
		switch rapid.IntRange(0, 9).Draw(t, name) {
		case 0:
			value = rapid.SampledFrom(hostile).Draw(t, name+" hostile")
		case 1, 2:
			continue
		default:
			value = rapid.SampledFrom(likely[name]).Draw(t, name+" value")
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		key, _ := json.Marshal(name) // a string
		out.Write(key)
		out.WriteByte(':')
		out.WriteString(value)
	}
	out.WriteByte('}')
	return out.Bytes()
}
