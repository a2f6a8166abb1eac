package modelslab

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
)

// described is the document as clients read it.
func described(t testing.TB) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(New(newDesk()).Describe())
	if err != nil {
		t.Fatal(err)
	}
	return decoded[map[string]any](t, encoded)
}

func TestEveryRouteIsDescribed(t *testing.T) {
	doc := described(t)
	dialecttest.Routes(t, New(newDesk()))
	ids := map[string]bool{}
	for path, methods := range doc["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			id := operation.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("%s %s: another operation is called %s too", method, path, id)
			}
			ids[id] = true
		}
	}
	checkReferences(t, doc, doc)
}

func checkReferences(t *testing.T, doc map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["$ref"].(string); ok && follow(doc, name) == nil {
			t.Errorf("%s leads nowhere", name)
		}
		for _, inner := range v {
			checkReferences(t, doc, inner)
		}
	case []any:
		for _, inner := range v {
			checkReferences(t, doc, inner)
		}
	}
}

func follow(doc map[string]any, reference string) map[string]any {
	at := doc
	for _, name := range strings.Split(strings.TrimPrefix(reference, "#/"), "/") {
		at, _ = at[name].(map[string]any)
	}
	return at
}

// mismatch says where a value is not what a schema describes; "" where it is. It knows the words that
// this package's schemas use.
func mismatch(doc map[string]any, schema map[string]any, value any, at string) string {
	if name, ok := schema["$ref"].(string); ok {
		return mismatch(doc, follow(doc, name), value, at)
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		var found int
		var all []string
		for _, choice := range choices {
			m := mismatch(doc, choice.(map[string]any), value, at)
			if m == "" {
				found++
			}
			all = append(all, m)
		}
		if found != 1 {
			return fmt.Sprintf("%s is %d of the choices: %v", at, found, all)
		}
		return ""
	}
	if want, ok := schema["const"]; ok && value != want {
		return fmt.Sprintf("%s is %v, want %v", at, value, want)
	}
	if all, ok := schema["enum"].([]any); ok && !slices.Contains(all, value) {
		return fmt.Sprintf("%s is %v, want one of %v", at, value, all)
	}
	if kind := schema["type"]; kind != nil {
		kinds, ok := kind.([]any)
		if !ok {
			kinds = []any{kind}
		}
		if !slices.ContainsFunc(kinds, func(k any) bool { return isA(value, k.(string)) }) {
			return fmt.Sprintf("%s is %v, want %v", at, value, kind)
		}
	}
	switch v := value.(type) {
	case string:
		if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			return fmt.Sprintf("%s is %q, want %s", at, v, pattern)
		}
		if least, ok := schema["minLength"].(float64); ok && float64(len(v)) < least {
			return at + " is too short"
		}
	case float64:
		least, bounded := schema["minimum"].(float64)
		most, limited := schema["maximum"].(float64)
		if bounded && v < least || limited && v > most {
			return fmt.Sprintf("%s is %v, want %v to %v", at, v, least, most)
		}
	case []any:
		if most, ok := schema["maxItems"].(float64); ok && float64(len(v)) > most {
			return at + " has too many items"
		}
		for i, item := range v {
			if inner, ok := schema["items"].(map[string]any); ok {
				if m := mismatch(doc, inner, item, at+"["+strconv.Itoa(i)+"]"); m != "" {
					return m
				}
			}
		}
	case map[string]any:
		return objectMismatch(doc, schema, v, at)
	}
	return ""
}

func objectMismatch(doc, schema, value map[string]any, at string) string {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := value[name.(string)]; !ok {
			return at + " has no " + name.(string)
		}
	}
	for name, inner := range value {
		property, ok := properties[name].(map[string]any)
		if !ok {
			if schema["additionalProperties"] == false {
				return at + " has " + name
			}
			continue
		}
		if m := mismatch(doc, property, inner, at+"."+name); m != "" {
			return m
		}
	}
	return ""
}

func isA(value any, kind string) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	}
	return map[string]reflect.Kind{
		"string": reflect.String, "boolean": reflect.Bool, "object": reflect.Map, "array": reflect.Slice,
	}[kind] == reflect.TypeOf(value).Kind()
}

// checkReply compares a reply with what the document says of its path and status.
func checkReply(t testing.TB, doc map[string]any, method, path string, status int, body []byte) {
	t.Helper()
	operation := doc["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(method)].(map[string]any)
	response, ok := operation["responses"].(map[string]any)[strconv.Itoa(status)].(map[string]any)
	if !ok {
		t.Errorf("%s %s: status %d is not described", method, path, status)
		return
	}
	if name, ok := response["$ref"].(string); ok {
		response = follow(doc, name)
	}
	schema := response["content"].(map[string]any)["application/json"].(map[string]any)["schema"].(map[string]any)
	if m := mismatch(doc, schema, decoded[any](t, body), "reply"); m != "" {
		t.Errorf("%s %s: %d %s\n%s", method, path, status, m, body)
	}
}

// What is answered is what the document says, for jobs that end in each way.
func TestRepliesAreAsDescribed(t *testing.T) {
	doc := described(t)
	bodies := map[string]string{
		textToImage: `{"key":"secret","prompt":"a"}`, imageToImage: `{"key":"secret","prompt":"a","init_image":"https://a.example/b"}`,
		inpaint:    `{"key":"secret","prompt":"a","init_image":"https://a.example/b","mask_image":"https://a.example/c","enhance_prompt":"yes"}`,
		controlNet: `{"key":"secret"}`, fetch: `{"key":"secret","request_id":42}`, verifyModel: `{"key":"secret","model_id":"shapes"}`,
		nsfwCheck: `{"key":"secret","init_image":"https://a.example/b"}`, uploadImage: `{"key":"secret","base64_image":"` + base64Of(64, 64) + `"}`,
		keyOnly: `{"key":"secret"}`,
	}
	for _, outcome := range []api.State{api.StateSucceeded, api.StateFailed, api.StateQueued} {
		for _, e := range endpoints() {
			for _, under := range e.under {
				for _, method := range e.allMethods() {
					s := newDesk()
					s.outcome = outcome
					if _, err := s.Submit(t.Context(), someCaller, someRequest("42")); err != nil {
						t.Fatal(err)
					}
					s.jobs["42"] = s.settle(s.jobs["42"])
					path := e.path(under)
					w := ask(t, serving(s), method, strings.ReplaceAll(path, "{id}", "42"), bodies[e.request])
					refused := e.request == controlNet || strings.HasPrefix(e.summary, "Refused")
					if (w.Code != 200) != refused && !(e.request == nsfwCheck && outcome != api.StateSucceeded) {
						t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
					}
					checkReply(t, doc, method, path, w.Code, w.Body.Bytes())
					wrong := ask(t, serving(s), method, strings.ReplaceAll(path, "{id}", "x"), `{"key":"guess"}`)
					checkReply(t, doc, method, path, wrong.Code, wrong.Body.Bytes())
				}
			}
		}
	}
}

// The examples are what the document says of requests.
func TestExamplesAreAsDescribed(t *testing.T) {
	doc := described(t)
	for file, request := range exampleRequests {
		schema := follow(doc, "#/components/schemas/Request_"+request)
		if m := mismatch(doc, schema, decoded[any](t, readExample(t, file)), file); m != "" {
			t.Error(m)
		}
	}
	schema := follow(doc, "#/components/schemas/Request_"+textToImage)
	for _, wrong := range []string{`{}`, `{"prompt":""}`, `{"prompt":"a","samples":"5"}`, `{"prompt":"a","samples":5}`, `{"prompt":"a","tomesd":"perhaps"}`, `{"prompt":"a","scheduler":"none"}`, `{"prompt":"a","panorama":"yes"}`} {
		if mismatch(doc, schema, decoded[any](t, []byte(wrong)), "body") == "" {
			t.Errorf("%s is described", wrong)
		}
	}
}
