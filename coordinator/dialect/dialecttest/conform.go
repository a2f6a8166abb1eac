package dialecttest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A Contract is a dialect's OpenAPI document, to hold real replies against.
type Contract struct {
	dialect dialect.Dialect
	paths   map[string]map[string]operation
}

type operation struct {
	RequestBody struct {
		Content map[string]struct{ Schema map[string]any }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

// NewContract reads the document of a dialect.
func NewContract(d dialect.Dialect) Contract {
	text, err := json.Marshal(d.Describe())
	if err != nil {
		panic(fmt.Sprintf("the OpenAPI document of %s has no JSON: %v", d.Name(), err))
	}
	var document struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(text, &document); err != nil {
		panic(fmt.Sprintf("the OpenAPI document of %s: %v", d.Name(), err))
	}
	return Contract{d, document.Paths}
}

func (c Contract) operation(r dialect.Route) operation {
	return c.paths[documented(r)][strings.ToLower(r.Method)]
}

// Reply fails the test if a route's reply is not one that the document has.
func (c Contract) Reply(t rapid.TB, r dialect.Route, status int, body []byte) {
	t.Helper()
	response, ok := c.operation(r).Responses[strconv.Itoa(status)]
	if !ok {
		t.Fatalf("%s %s: status %d is not documented: %s", r.Method, r.Path, status, body)
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%s %s: %v: %s", r.Method, r.Path, err, body)
	}
	for _, problem := range conform(response.Content["application/json"].Schema, value, "") {
		t.Errorf("%s %s, status %d: %s", r.Method, r.Path, status, problem)
	}
}

// Refusal fails the test if an error of a route's decoder does not tell the client, in the vendor's
// form, what is wrong.
func (c Contract) Refusal(t rapid.TB, r dialect.Route, err error) {
	t.Helper()
	told := api.AsError(err, api.CodeInternal)
	w := httptest.NewRecorder()
	c.dialect.Fail(w, httptest.NewRequest(r.Method, "/", nil), err)
	if w.Code/100 != 4 || told.Message == "" {
		t.Fatalf("%s %s: an error of the request gives %d %s", r.Method, r.Path, w.Code, w.Body)
	}
	c.Reply(t, r, w.Code, w.Body.Bytes())
}

// conform lists where a value is not what a schema wants. It knows the words of schemas that dialects use.
func conform(schema map[string]any, value any, at string) []string {
	var problems []string
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%q: ", at)+fmt.Sprintf(format, args...))
	}
	if kinds := kinds(schema["type"]); len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k string) bool { return is(k, value) }) {
		complain("got %.100v, want %v", value, kinds)
		return problems
	}
	if want, ok := schema["const"]; ok && want != value {
		complain("got %v, want %v", value, want)
	}
	if all, ok := schema["enum"].([]any); ok && !slices.Contains(all, value) {
		complain("got %v, want one of %v", value, all)
	}
	if pattern, ok := schema["pattern"].(string); ok && value != nil && !regexp.MustCompile(pattern).MatchString(fmt.Sprint(value)) {
		complain("got %v, want %s", value, pattern)
	}
	switch value := value.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, item := range value {
			problems = append(problems, conform(items, item, at+"["+strconv.Itoa(i)+"]")...)
		}
	case map[string]any:
		problems = append(problems, conformObject(schema, value, at)...)
	}
	return problems
}

// conformObject also wants every property to be documented, whether the schema closes the object or not.
func conformObject(schema, value map[string]any, at string) []string {
	var problems []string
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := value[name.(string)]; !ok {
			problems = append(problems, fmt.Sprintf("%q: there is no %v", at, name))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, inner := range value {
		property, ok := properties[name].(map[string]any)
		if !ok {
			problems = append(problems, fmt.Sprintf("%q: %s is not documented", at, name))
			continue
		}
		problems = append(problems, conform(property, inner, at+"."+name)...)
	}
	return problems
}

func kinds(of any) []string {
	switch of := of.(type) {
	case string:
		return []string{of}
	case []any:
		var all []string
		for _, k := range of {
			all = append(all, k.(string))
		}
		return all
	}
	return nil
}

func is(kind string, value any) bool {
	switch value := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && value == math.Trunc(value)
	case []any:
		return kind == "array"
	}
	return kind == "object"
}
