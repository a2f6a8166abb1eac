package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// A Contract is a dialect's OpenAPI document, which real requests and replies are held against as JSON
// Schema has it, formats and encodings included.
type Contract struct {
	dialect  dialect.Dialect
	document map[string]any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by pointer into the document
}

// address stands for the document. Nothing is fetched.
const address = "https://easel.invalid/openapi.json"

// NewContract reads the document of a dialect. An object of a reply may have no properties but the
// documented ones, whether the document closes it or not.
func NewContract(d dialect.Dialect) *Contract {
	text, err := json.Marshal(d.Describe())
	if err != nil {
		panic(fmt.Sprintf("the OpenAPI document of %s has no JSON: %v", d.Name(), err))
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	document, ok := value.(map[string]any)
	if err != nil || !ok {
		panic(fmt.Sprintf("the OpenAPI document of %s is no object: %v", d.Name(), err))
	}
	closeReplies(document)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020) // which OpenAPI 3.1 refers to
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource(address, document); err != nil {
		panic(fmt.Sprintf("the OpenAPI document of %s: %v", d.Name(), err))
	}
	return &Contract{dialect: d, document: document, compiler: c, schemas: map[string]*jsonschema.Schema{}}
}

// closeReplies closes the objects of everything that is not a request.
func closeReplies(document map[string]any) {
	for _, methods := range object(document["paths"]) {
		for _, operation := range object(methods) {
			closeObjects(object(operation)["responses"])
		}
	}
	components := object(document["components"])
	closeObjects(components["responses"])
	for name, schema := range object(components["schemas"]) {
		if !strings.HasPrefix(name, "Request") {
			closeObjects(schema)
		}
	}
}

func closeObjects(value any) {
	switch value := value.(type) {
	case []any:
		for _, inner := range value {
			closeObjects(inner)
		}
	case map[string]any:
		_, open := value["additionalProperties"]
		if _, schema := value["properties"].(map[string]any); schema && !open {
			value["additionalProperties"] = false
		}
		for _, inner := range value {
			closeObjects(inner)
		}
	}
}

// object is a value as an object; one without properties where it is something else.
func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

// pointer is a path into the document as JSON Pointer writes it (RFC 6901).
func pointer(path ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, part := range path {
		b.WriteString("/" + escape.Replace(part))
	}
	return b.String()
}

// operation is what the document has of a route.
func (c *Contract) operation(r dialect.Route) map[string]any {
	return object(object(object(c.document["paths"])[documented(r)])[strings.ToLower(r.Method)])
}

// at is the pointer to a part of a route's operation.
func at(r dialect.Route, path ...string) string {
	return pointer(append([]string{"paths", documented(r), strings.ToLower(r.Method)}, path...)...)
}

// schema is the one at a pointer.
func (c *Contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if schema, ok := c.schemas[pointer]; ok {
		return schema, nil
	}
	schema, err := c.compiler.Compile(address + "#" + pointer)
	if err == nil {
		c.schemas[pointer] = schema
	}
	return schema, err
}

// check holds a body against the schema at a pointer.
func (c *Contract) check(pointer string, body []byte) error {
	schema, err := c.schema(pointer)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// compile is nil where every schema of a route is one, with all that it refers to.
func (c *Contract) compile(r dialect.Route) error {
	var problems error
	for code := range object(c.operation(r)["responses"]) {
		_, err := c.schema(c.reply(r, code))
		problems = errors.Join(problems, err)
	}
	for kind := range object(object(c.operation(r)["requestBody"])["content"]) {
		_, err := c.schema(at(r, "requestBody", "content", kind, "schema"))
		problems = errors.Join(problems, err)
	}
	return problems
}

// reply is the pointer to the schema of a route's reply.
func (c *Contract) reply(r dialect.Route, code string) string {
	path := at(r, "responses", code)
	if reference, ok := object(object(c.operation(r)["responses"])[code])["$ref"].(string); ok {
		path = strings.TrimPrefix(reference, "#")
	}
	return path + pointer("content", "application/json", "schema")
}

// CheckReply is nil where a route's reply is one that the document has.
func (c *Contract) CheckReply(r dialect.Route, status int, body []byte) error {
	code := strconv.Itoa(status)
	if _, ok := object(c.operation(r)["responses"])[code]; !ok {
		return fmt.Errorf("status %d is not documented", status)
	}
	return c.check(c.reply(r, code), body)
}

// TakesBody reports whether the document has a body for the route. A GET may have one that OpenAPI gives
// no meaning to.
func (c *Contract) TakesBody(r dialect.Route) bool { return c.operation(r)["requestBody"] != nil }

// CheckRequest is nil where a body is one that the document has for the route. That of a form is an
// object of its texts and, as strings, its files.
func (c *Contract) CheckRequest(r dialect.Route, body []byte) error {
	for kind := range object(object(c.operation(r)["requestBody"])["content"]) { // there is one
		return c.check(at(r, "requestBody", "content", kind, "schema"), body)
	}
	return fmt.Errorf("%s %s takes no body", r.Method, r.Path)
}

// Reply fails the test if a route's reply is not one that the document has.
func (c *Contract) Reply(t rapid.TB, r dialect.Route, status int, body []byte) {
	t.Helper()
	if err := c.CheckReply(r, status, body); err != nil {
		t.Fatalf("%s %s: status %d: %v\n%.2000s", r.Method, r.Path, status, err, body)
	}
}

// Request fails the test if a body is not one that the document has for the route.
func (c *Contract) Request(t rapid.TB, r dialect.Route, body []byte) {
	t.Helper()
	if err := c.CheckRequest(r, body); err != nil {
		t.Errorf("%s %s: %v\n%.2000s", r.Method, r.Path, err, body)
	}
}

// Refusal fails the test if an error of a route's decoder does not show the client, in the vendor's
// form, what is wrong.
func (c *Contract) Refusal(t rapid.TB, r dialect.Route, err error) {
	t.Helper()
	w := httptest.NewRecorder()
	c.dialect.Fail(w, httptest.NewRequest(r.Method, "/", nil), err)
	if w.Code/100 != 4 || api.AsError(err, api.CodeInternal).Message == "" {
		t.Fatalf("%s %s: an error of the request gives %d %s", r.Method, r.Path, w.Code, w.Body)
	}
	c.Reply(t, r, w.Code, w.Body.Bytes())
}
