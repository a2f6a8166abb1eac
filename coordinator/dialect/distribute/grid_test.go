package distribute_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	_ "image/png"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
	"github.com/easelgrid/easel/coordinator/dialect/distribute"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

// The vendor's sample, and the two paths with their routes.
const sample = `{
  "model": "Flux.1 [dev]",
  "prompt": "text",
  "seed": 927719,
  "style": "text",
  "guidance_scale": 5,
  "num_inference_steps": 10,
  "n": 1,
  "response_format": "url",
  "size": "768x768"
}`

var (
	contract = dialecttest.NewContract(distribute.New(nil))
	routes   = distribute.New(nil).Routes()
	creates  = routes[0]
	results  = routes[1]
	makes    = routes[2]
)

// vendor is a grid that is spoken to in the vendor's words.
type vendor struct {
	*grid.Grid
	key string
}

func newVendor(t *testing.T) vendor {
	g := grid.Start(t, "../../../docs/examples/catalog-demo.yaml")
	return vendor{g, g.Key(t, "client", "")}
}

// ask sends a request and holds the reply against the OpenAPI document.
func (v vendor) ask(t *testing.T, r dialect.Route, authorization, body string) grid.Answer {
	t.Helper()
	a := v.Call(t, r.Method, r.Prefix+r.Path, authorization, body)
	contract.Reply(t, r, a.Status, a.Body)
	return a
}

type report struct {
	ID, Status, Model string
	Created           string
	Finished          *string
	Results           []struct {
		URL           string
		RevisedPrompt string `json:"revised_prompt"`
	}
}

// finished is the report of a job that is settled.
func (v vendor) finished(t *testing.T, id string) report {
	t.Helper()
	v.Settle(t)
	var r report
	decode(t, v.ask(t, results, v.key, `{"id":"`+id+`"}`).Body, &r)
	return r
}

func decode(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

func checkPicture(t *testing.T, file []byte, width, height int) {
	t.Helper()
	c, kind, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || kind != "png" || c.Width != width || c.Height != height {
		t.Errorf("got a %s of %d x %d (%v), want a png of %d x %d", kind, c.Width, c.Height, err, width, height)
	}
}

func TestPicturesByJob(t *testing.T) {
	v := newVendor(t)
	for name, c := range map[string]struct {
		authorization, body string
		width, height, n    int
		prompt              string
	}{
		"the vendor's sample":          {v.key, sample, 768, 768, 1, "text, text"},
		"with Bearer before the key":   {"Bearer " + v.key, sample, 768, 768, 1, "text, text"},
		"what is required and no more": {v.key, `{"model":"Flux.1 [dev]","prompt":"a red circle"}`, 768, 768, 1, "a red circle"},
		"a size of odd numbers":        {v.key, `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"333x1024","n":2}`, 333, 1024, 2, "a red circle"},
		"the smallest size":            {v.key, `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"1x1"}`, 1, 1, 1, "a red circle"},
	} {
		t.Run(name, func(t *testing.T) {
			var created struct{ ID string }
			a := v.ask(t, creates, c.authorization, c.body)
			decode(t, a.Body, &created)
			if a.Status != 200 || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(created.ID) {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			var r report
			decode(t, v.ask(t, results, c.authorization, `{"id":"`+created.ID+`"}`).Body, &r)
			if settled := r.Status == "COMPLETED"; settled != (r.Finished != nil) || settled != (len(r.Results) > 0) {
				t.Errorf("%s: got %+v", r.Status, r)
			}
			r = v.finished(t, strings.ToUpper(created.ID))
			if r.Status != "COMPLETED" || r.ID != created.ID || r.Model != "Flux.1 [dev]" || r.Finished == nil || len(r.Results) != c.n {
				t.Fatalf("got %+v", r)
			}
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", *r.Finished); err != nil {
				t.Error(err)
			}
			for _, result := range r.Results {
				checkPicture(t, grid.Fetch(t, result.URL).Body, c.width, c.height)
				if result.RevisedPrompt != c.prompt {
					t.Errorf("the prompt was %q", result.RevisedPrompt)
				}
			}
		})
	}
}

func TestPicturesAtOnce(t *testing.T) {
	v := newVendor(t)
	var reply struct {
		Created int64
		Data    []struct {
			URL           string
			Base64        []byte `json:"b64_json"`
			RevisedPrompt string `json:"revised_prompt"`
		}
	}
	decode(t, v.ask(t, makes, "Bearer "+v.key, sample).Body, &reply)
	if len(reply.Data) != 1 || reply.Created == 0 {
		t.Fatalf("got %+v", reply)
	}
	checkPicture(t, grid.Fetch(t, reply.Data[0].URL).Body, 768, 768)

	body := `{"model":"Flux.1 [dev]","prompt":"a red circle","n":2,"size":"100x50","response_format":"b64_json"}`
	a := v.ask(t, makes, "Bearer "+v.key, body)
	decode(t, a.Body, &reply)
	if len(reply.Data) != 2 || bytes.Equal(reply.Data[0].Base64, reply.Data[1].Base64) {
		t.Fatalf("got %d pictures: %.200s", len(reply.Data), a.Body)
	}
	for _, d := range reply.Data {
		checkPicture(t, d.Base64, 100, 50)
	}
	if bytes.Contains(a.Body, []byte(base64.StdEncoding.EncodeToString(reply.Data[0].Base64)+`","url"`)) {
		t.Error("a picture comes twice")
	}
	bound := v.Key(t, "bound", "distribute")
	if a := v.Call(t, "POST", "/v1/images/generations", bound, sample); a.Status != 200 || !bytes.Contains(a.Body, []byte(`"revised_prompt":"text, text"`)) {
		t.Errorf("with a key that is bound to the dialect: %d %s", a.Status, a.Body)
	}
}

func TestRefusals(t *testing.T) {
	v := newVendor(t)
	stranger := v.Key(t, "stranger", "")
	var created struct{ ID string }
	decode(t, v.ask(t, creates, v.key, sample).Body, &created)
	for name, c := range map[string]struct {
		route               dialect.Route
		authorization, body string
		status              int
		says                string
	}{
		"no key":              {creates, "", sample, 401, ""},
		"a wrong key":         {creates, "Bearer wrong", sample, 401, ""},
		"no body":             {creates, v.key, "", 400, "body: got nothing"},
		"no JSON":             {makes, v.key, "{", 400, "body: got malformed JSON"},
		"faults":              {makes, v.key, `{"model":"Flux.1 [dev]","prompt":"p","n":0,"num_inference_steps":51}`, 400, "num_inference_steps: got 51, want a whole number from 1 to 50; n: got 0"},
		"no such model":       {makes, v.key, `{"model":"Flux.9","prompt":"p"}`, 404, "Flux.9"},
		"too large":           {creates, v.key, `{"prompt":"` + strings.Repeat("a", 100_000) + `"}`, 413, "body: got more than"},
		"no UUID":             {results, v.key, `{"id":"text"}`, 400, `id: got "text", want a UUID of version 4`},
		"no such job":         {results, v.key, `{"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}`, 404, "3f2504e0"},
		"somebody else's job": {results, stranger, `{"id":"` + created.ID + `"}`, 404, created.ID},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.ask(t, c.route, c.authorization, c.body)
			var problem map[string]string
			decode(t, a.Body, &problem)
			if a.Status != c.status || len(problem) != 1 || !strings.Contains(problem["message"], c.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
}

func TestJobThatFails(t *testing.T) {
	v := newVendor(t)
	var created struct{ ID string }
	decode(t, v.ask(t, creates, v.key, `{"model":"Flux.1 [dev]","prompt":"fake:fail=1"}`).Body, &created)
	if r := v.finished(t, created.ID); r.Status != "ERROR" || r.Finished == nil || len(r.Results) != 0 {
		t.Errorf("got %+v", r)
	}
	a := v.ask(t, results, v.key, `{"id":"`+created.ID+`"}`)
	if a.Header.Get("X-Easel-Error") == "" {
		t.Errorf("nothing says why: %v", a.Header)
	}
	if a := v.ask(t, makes, v.key, `{"model":"Flux.1 [dev]","prompt":"fake:fail=1"}`); a.Status != 500 {
		t.Errorf("at once: got %d %s", a.Status, a.Body)
	}
}
