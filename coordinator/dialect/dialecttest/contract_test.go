package dialecttest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// sketch is a dialect of one route, whose schemas have every keyword that dialects use.
type sketch struct{}

var route = dialect.Route{Method: http.MethodPost, Path: "/v1/sketch", Handle: func(http.ResponseWriter, *http.Request) {}}

func (sketch) Name() string            { return "sketch" }
func (sketch) Routes() []dialect.Route { return []dialect.Route{route} }
func (sketch) Fields() []dialect.Field { return nil }
func (sketch) Fail(w http.ResponseWriter, _ *http.Request, err error) {
	dialect.WriteJSON(w, dialect.Status(api.AsError(err, "").Code), map[string]string{"message": err.Error()})
}

func (sketch) Describe() map[string]any {
	text := dialect.Schema{"type": "string"}
	reply := dialect.Shape(map[string]dialect.Schema{
		"count": {"type": "integer", "minimum": 1, "maximum": 3}, "name": {"type": "string", "minLength": 1, "maxLength": 4, "pattern": "^[a-z]*$"},
		"state": {"enum": []string{"on", "off"}}, "kind": {"const": "sketch"}, "either": {"oneOf": []any{text, dialect.Schema{"type": "integer"}}},
		"link": {"type": "string", "format": "uri"}, "at": {"type": "string", "format": "date-time"}, "data": {"type": "string", "contentEncoding": "base64"},
		"list": {"type": "array", "minItems": 1, "maxItems": 2, "items": text}, "none": dialect.Nullable(text), "never": {"not": dialect.Schema{}},
		"inner": dialect.Shape(map[string]dialect.Schema{"a": text}, "a"),
	}, "count")
	body := dialect.Shape(map[string]dialect.Schema{"prompt": {"type": "string", "maxLength": 3}}, "prompt")
	return dialect.OpenAPI("sketch", "", text, dialect.Shape(map[string]dialect.Schema{"message": text}, "message"),
		dialect.Operation{Route: route, ID: "sketch", Body: body, Reply: reply, Refusals: []int{400}})
}

func TestBrokenRepliesAreRefused(t *testing.T) {
	contract := NewContract(sketch{})
	for name, c := range map[string]struct{ right, wrong string }{
		"required":         {`{"count":1}`, `{}`},
		"type":             {`{"count":1}`, `{"count":"1"}`},
		"integer":          {`{"count":1.0}`, `{"count":1.5}`},
		"minimum":          {`{"count":1}`, `{"count":0}`},
		"maximum":          {`{"count":3}`, `{"count":4}`},
		"minLength":        {`{"count":1,"name":"a"}`, `{"count":1,"name":""}`},
		"maxLength":        {`{"count":1,"name":"abcd"}`, `{"count":1,"name":"abcde"}`},
		"pattern":          {`{"count":1,"name":"a"}`, `{"count":1,"name":"A"}`},
		"enum":             {`{"count":1,"state":"on"}`, `{"count":1,"state":"maybe"}`},
		"const":            {`{"count":1,"kind":"sketch"}`, `{"count":1,"kind":"painting"}`},
		"oneOf":            {`{"count":1,"either":2}`, `{"count":1,"either":true}`},
		"format uri":       {`{"count":1,"link":"https://a.example/b"}`, `{"count":1,"link":"no address"}`},
		"format date-time": {`{"count":1,"at":"2026-01-02T03:04:05.678Z"}`, `{"count":1,"at":"yesterday"}`},
		"contentEncoding":  {`{"count":1,"data":"aGVsbG8="}`, `{"count":1,"data":"?"}`},
		"minItems":         {`{"count":1,"list":["a"]}`, `{"count":1,"list":[]}`},
		"maxItems":         {`{"count":1,"list":["a","b"]}`, `{"count":1,"list":["a","b","c"]}`},
		"items":            {`{"count":1,"list":["a"]}`, `{"count":1,"list":[1]}`},
		"null":             {`{"count":1,"none":null}`, `{"count":1,"name":null}`},
		"not":              {`{"count":1}`, `{"count":1,"never":1}`},
		"an inner object":  {`{"count":1,"inner":{"a":""}}`, `{"count":1,"inner":{}}`},
		"a new property":   {`{"count":1}`, `{"count":1,"more":1}`},
		"a new one inside": {`{"count":1,"inner":{"a":""}}`, `{"count":1,"inner":{"a":"","b":""}}`},
		"no JSON":          {`{"count":1}`, `{"count":1`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := contract.CheckReply(route, 200, []byte(c.right)); err != nil {
				t.Errorf("%s is refused: %v", c.right, err)
			}
			if contract.CheckReply(route, 200, []byte(c.wrong)) == nil {
				t.Errorf("%s passes", c.wrong)
			}
		})
	}
	if err := contract.CheckReply(route, 418, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "not documented") {
		t.Errorf("an unknown status: %v", err)
	}
	contract.Sharp(t, route, 200, []byte(`{"count":1,"inner":{"a":""},"list":["a"],"none":null}`))
	contract.Refusal(t, route, api.Invalid([]api.Fault{{Field: "prompt", Limit: "less"}}))
}

func TestBrokenRequestsAreRefused(t *testing.T) {
	contract := NewContract(sketch{})
	contract.Request(t, route, []byte(`{"prompt":"abc","more":1}`)) // the document leaves requests open
	for _, wrong := range []string{`{}`, `{"prompt":"abcd"}`, `{"prompt":1}`, `[]`, `null`, ``} {
		if contract.CheckRequest(route, []byte(wrong)) == nil {
			t.Errorf("%s passes", wrong)
		}
	}
}
