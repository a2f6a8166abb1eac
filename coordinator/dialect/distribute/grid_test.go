package distribute_test

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/dialect"
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
	routes  = distribute.New(nil).Routes()
	creates = routes[0]
	results = routes[1]
	makes   = routes[2]
)

// vendor is a grid that is spoken to in the vendor's words.
type vendor struct{ grid.Client }

func newVendor(t *testing.T) vendor { return vendor{grid.Demo(t).Client(t, distribute.New(nil))} }

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
	v.Ask(t, results, v.Key, "", `{"id":"`+id+`"}`).Decode(t, &r)
	return r
}

func TestPicturesByJob(t *testing.T) {
	v := newVendor(t)
	for name, c := range map[string]struct {
		authorization, body string
		width, height, n    int
		prompt              string
	}{
		"the vendor's sample":          {v.Key, sample, 768, 768, 1, "text, text"},
		"with Bearer before the key":   {"Bearer " + v.Key, sample, 768, 768, 1, "text, text"},
		"what is required and no more": {v.Key, `{"model":"Flux.1 [dev]","prompt":"a red circle"}`, 768, 768, 1, "a red circle"},
		"a size of odd numbers":        {v.Key, `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"333x1024","n":2}`, 333, 1024, 2, "a red circle"},
		"the smallest size":            {v.Key, `{"model":"Flux.1 [dev]","prompt":"a red circle","size":"1x1"}`, 1, 1, 1, "a red circle"},
	} {
		t.Run(name, func(t *testing.T) {
			var created struct{ ID string }
			a := v.Ask(t, creates, c.authorization, "", c.body)
			a.Decode(t, &created)
			if a.Status != 200 || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(created.ID) {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			var r report
			v.Ask(t, results, c.authorization, "", `{"id":"`+created.ID+`"}`).Decode(t, &r)
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
				grid.CheckPNG(t, grid.Fetch(t, result.URL).Body, c.width, c.height)
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
	v.Ask(t, makes, "Bearer "+v.Key, "", sample).Decode(t, &reply)
	if len(reply.Data) != 1 || reply.Created == 0 {
		t.Fatalf("got %+v", reply)
	}
	grid.CheckPNG(t, grid.Fetch(t, reply.Data[0].URL).Body, 768, 768)

	body := `{"model":"Flux.1 [dev]","prompt":"a red circle","n":2,"size":"100x50","response_format":"b64_json"}`
	a := v.Ask(t, makes, "Bearer "+v.Key, "", body)
	a.Decode(t, &reply)
	if len(reply.Data) != 2 || bytes.Equal(reply.Data[0].Base64, reply.Data[1].Base64) {
		t.Fatalf("got %d pictures: %.200s", len(reply.Data), a.Body)
	}
	for _, d := range reply.Data {
		grid.CheckPNG(t, d.Base64, 100, 50)
	}
	if bytes.Contains(a.Body, []byte(base64.StdEncoding.EncodeToString(reply.Data[0].Base64)+`","url"`)) {
		t.Error("a picture comes twice")
	}
	bound := v.Grid.Key(t, "bound", "distribute")
	if a := v.Call(t, "POST", "/v1/images/generations", bound, sample); a.Status != 200 || !bytes.Contains(a.Body, []byte(`"revised_prompt":"text, text"`)) {
		t.Errorf("with a key that is bound to the dialect: %d %s", a.Status, a.Body)
	}
}

func TestRefusals(t *testing.T) {
	v := newVendor(t)
	stranger := v.Grid.Key(t, "stranger", "")
	var created struct{ ID string }
	v.Ask(t, creates, v.Key, "", sample).Decode(t, &created)
	for name, c := range map[string]struct {
		route               dialect.Route
		authorization, body string
		status              int
		says                string
	}{
		"no key":              {creates, "", sample, 401, ""},
		"a wrong key":         {creates, "Bearer wrong", sample, 401, ""},
		"no body":             {creates, v.Key, "", 400, "body: got nothing"},
		"no JSON":             {makes, v.Key, "{", 400, "body: got malformed JSON"},
		"faults":              {makes, v.Key, `{"model":"Flux.1 [dev]","prompt":"p","n":0,"num_inference_steps":51}`, 400, "num_inference_steps: got 51, want a whole number from 1 to 50; n: got 0"},
		"no such model":       {makes, v.Key, `{"model":"Flux.9","prompt":"p"}`, 404, "Flux.9"},
		"too large":           {creates, v.Key, `{"prompt":"` + strings.Repeat("a", 100_000) + `"}`, 413, "body: got more than"},
		"no UUID":             {results, v.Key, `{"id":"text"}`, 400, `id: got "text", want a UUID of version 4`},
		"no such job":         {results, v.Key, `{"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}`, 404, "3f2504e0"},
		"somebody else's job": {results, stranger, `{"id":"` + created.ID + `"}`, 404, created.ID},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.Ask(t, c.route, c.authorization, "", c.body)
			var problem map[string]string
			a.Decode(t, &problem)
			if a.Status != c.status || len(problem) != 1 || !strings.Contains(problem["message"], c.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
}

func TestJobThatFails(t *testing.T) {
	v := newVendor(t)
	var created struct{ ID string }
	v.Ask(t, creates, v.Key, "", `{"model":"Flux.1 [dev]","prompt":"fake:fail=1"}`).Decode(t, &created)
	if r := v.finished(t, created.ID); r.Status != "ERROR" || r.Finished == nil || len(r.Results) != 0 {
		t.Errorf("got %+v", r)
	}
	a := v.Ask(t, results, v.Key, "", `{"id":"`+created.ID+`"}`)
	if a.Header.Get("X-Easel-Error") == "" {
		t.Errorf("no header has the reason: %v", a.Header)
	}
	if a := v.Ask(t, makes, v.Key, "", `{"model":"Flux.1 [dev]","prompt":"fake:fail=1"}`); a.Status != 500 {
		t.Errorf("at once: got %d %s", a.Status, a.Body)
	}
}
