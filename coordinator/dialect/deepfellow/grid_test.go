package deepfellow_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/deepfellow"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

var (
	routes      = deepfellow.New(nil).Routes()
	generations = routes[0]
	models      = routes[1]
	model       = documented(routes[2])
)

// documented is a route with its path as OpenAPI writes it.
func documented(r dialect.Route) dialect.Route {
	r.Path = strings.ReplaceAll(r.Path, "...}", "}")
	return r
}

func TestGenerations(t *testing.T) {
	v := grid.Demo(t).Client(t, deepfellow.New(nil))
	for name, c := range map[string]struct {
		body             string
		n, width, height int
	}{
		"the page's sample": {`{"model": "gpt-image-1","prompt": "Black Swan","size": "1024x1024"}`, 1, 1024, 1024},
		"no size":           {`{"prompt":"Black Swan"}`, 1, 512, 512},
		"an odd size":       {`{"prompt":"Black Swan","size":"101x99","n":2}`, 2, 101, 99},
		"every default": {`{"prompt":"Black Swan","model":"","background":"auto","moderation":"auto","n":1,"output_compression":95,"output_format":"png",
			"quality":"auto","response_format":"b64_json","size":"auto","style":"vivid","user":"","stream":false,"partial_images":null,"extra":[1]}`, 1, 512, 512},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.Ask(t, generations, "Bearer "+v.Key, "", c.body)
			var reply struct {
				Data []struct {
					Base64 []byte `json:"b64_json"`
				}
			}
			if a.Decode(t, &reply); a.Status != http.StatusOK || len(reply.Data) != c.n {
				t.Fatalf("got %d %.300s", a.Status, a.Body)
			}
			for _, d := range reply.Data {
				grid.CheckPNG(t, d.Base64, c.width, c.height)
			}
		})
	}
}

func TestModelsOnAGrid(t *testing.T) {
	v := grid.Demo(t).Client(t, deepfellow.New(nil))
	var list struct{ Data []struct{ ID string } }
	v.Ask(t, models, "Bearer "+v.Key, "", "").Decode(t, &list)
	if len(list.Data) == 0 {
		t.Fatal("there are no models")
	}
	var one struct{ ID string }
	if v.Ask(t, model, "Bearer "+v.Key, list.Data[0].ID, "").Decode(t, &one); one.ID != list.Data[0].ID {
		t.Errorf("%s is called %s", list.Data[0].ID, one.ID)
	}
}

// Errors are a text, or a list of faults.
func TestRefusalsOnAGrid(t *testing.T) {
	v := grid.Demo(t).Client(t, deepfellow.New(nil))
	key := "Bearer " + v.Key
	for name, c := range map[string]struct {
		route         dialect.Route
		key, id, body string
		status        int
		detail        string // that the body begins with
	}{
		"no key":               {generations, "", "", `{"prompt":"a"}`, 401, `{"detail":"Unauthorized"}`},
		"no body":              {generations, key, "", "", 422, `{"detail":[{"loc":["body"],`},
		"faults":               {generations, key, "", `{"n":5,"size":"1x1"}`, 422, `{"detail":[{"loc":["body","prompt"],`},
		"streams":              {generations, key, "", `{"prompt":"a","stream":true}`, 422, `{"detail":"Stream not supported"}`},
		"no such model":        {generations, key, "", `{"prompt":"a","model":"nobody"}`, 404, `{"detail":"Model not found"}`},
		"no such model listed": {model, key, "no/body", "", 404, `{"detail":"Model not found"}`},
		"too large":            {generations, key, "", `{"prompt":"` + strings.Repeat("a", 300<<10) + `"}`, 413, `{"detail":"body: got more`},
		"what the node cannot": {generations, key, "", `{"prompt":"fake:fail=1"}`, 500, `{"detail":"`},
	} {
		t.Run(name, func(t *testing.T) {
			if a := v.Ask(t, c.route, c.key, c.id, c.body); a.Status != c.status || !strings.HasPrefix(string(a.Body), c.detail) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
}
