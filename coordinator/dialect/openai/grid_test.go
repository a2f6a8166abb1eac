package openai_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/openai"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

var (
	routes      = openai.New(nil).Routes()
	generations = routes[0]
	edits       = routes[1]
	variations  = routes[2]
	models      = routes[3]
	model       = documented(routes[4])
)

// documented is a route with its path as OpenAPI writes it.
func documented(r dialect.Route) dialect.Route {
	r.Path = strings.ReplaceAll(r.Path, "...}", "}")
	return r
}

type reply struct {
	Created int64
	Size    string
	Data    []struct {
		URL    string
		Base64 []byte `json:"b64_json"`
	}
}

// checkImages looks at the images of a reply, however they came.
func checkImages(t *testing.T, a grid.Answer, n, width, height int) {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	var r reply
	a.Decode(t, &r)
	if len(r.Data) != n || r.Created == 0 {
		t.Fatalf("got %d images: %.300s", len(r.Data), a.Body)
	}
	for _, d := range r.Data {
		file := d.Base64
		if d.URL != "" {
			file = grid.Fetch(t, d.URL).Body
		}
		grid.CheckPNG(t, file, width, height)
	}
}

func TestGenerations(t *testing.T) {
	v := grid.Demo(t).Client(t, openai.New(nil))
	for name, c := range map[string]struct {
		body             string
		n, width, height int
	}{
		"the documented example": {`{"model":"gpt-image-1","prompt":"A cute baby sea otter","n":1,"size":"1024x1024"}`, 1, 1024, 1024},
		"by address":             {`{"model":"dall-e-3","prompt":"a","n":2,"size":"256x128","style":"vivid","quality":"hd"}`, 2, 256, 128},
		"nulls":                  {`{"prompt":"a","model":null,"n":null,"size":"64x64","quality":null,"stream":null,"user":null,"background":null}`, 1, 64, 64},
		"every field": {`{"model":"shapes","prompt":"a","n":1,"size":"72x64","response_format":"b64_json","user":"u","quality":"low","output_format":"png","output_compression":100,
			"background":"opaque","stream":false,"partial_images":0,"safety_identifier":"s","complexity":"low","moderation":"auto","style":"natural"}`, 1, 72, 64},
	} {
		t.Run(name, func(t *testing.T) {
			checkImages(t, v.Ask(t, generations, "Bearer "+v.Key, "", c.body), c.n, c.width, c.height)
		})
	}
}

func TestFormsOnAGrid(t *testing.T) {
	v := grid.Demo(t).Client(t, openai.New(nil))
	picture := grid.PNG(64, 96) // all transparent, so it is a mask as well
	a := v.AskForm(t, edits, "Bearer "+v.Key, map[string]string{"prompt": "a hat", "model": "gpt-image-1", "n": "2", "size": "64x96"}, map[string][]byte{"image": picture, "mask": picture})
	checkImages(t, a, 2, 64, 96)
	a = v.AskForm(t, variations, "Bearer "+v.Key, map[string]string{"size": "64x96", "response_format": "b64_json"}, map[string][]byte{"image": picture})
	checkImages(t, a, 1, 64, 96)
	for name, c := range map[string]struct {
		key    string
		texts  map[string]string
		files  map[string][]byte
		status int
		param  string
	}{
		"no key":     {"Bearer wrong", map[string]string{"prompt": "a hat"}, map[string][]byte{"image": picture}, 401, ""},
		"no image":   {"Bearer " + v.Key, map[string]string{"prompt": "a hat"}, nil, 400, "image"},
		"no picture": {"Bearer " + v.Key, map[string]string{"prompt": "a hat"}, map[string][]byte{"image": []byte("hello")}, 400, "image"},
		"no mask":    {"Bearer " + v.Key, map[string]string{"prompt": "a hat"}, map[string][]byte{"image": picture, "mask": grid.PNG(32, 32)}, 400, "mask"},
	} {
		t.Run(name, func(t *testing.T) {
			checkProblem(t, v.AskForm(t, edits, c.key, c.texts, c.files), c.status, c.param)
		})
	}
}

func TestModelsOnAGrid(t *testing.T) {
	v := grid.Demo(t).Client(t, openai.New(nil))
	var list struct{ Data []struct{ ID string } }
	v.Ask(t, models, "Bearer "+v.Key, "", "").Decode(t, &list)
	if len(list.Data) == 0 {
		t.Fatal("there are no models")
	}
	for _, m := range list.Data {
		var one struct{ ID string }
		if v.Ask(t, model, "Bearer "+v.Key, m.ID, "").Decode(t, &one); one.ID != m.ID {
			t.Errorf("%s is called %s", m.ID, one.ID)
		}
	}
}

// checkProblem looks at an error; param "" is null.
func checkProblem(t *testing.T, a grid.Answer, status int, param string) {
	t.Helper()
	var problem struct {
		Error struct{ Message, Type, Param, Code string }
	}
	a.Decode(t, &problem)
	if e := problem.Error; a.Status != status || e.Message == "" || e.Type == "" || e.Code == "" || e.Param != param {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestRefusalsOnAGrid(t *testing.T) {
	v := grid.Demo(t).Client(t, openai.New(nil))
	key := "Bearer " + v.Key
	for name, c := range map[string]struct {
		route         dialect.Route
		key, id, body string
		status        int
		param         string
	}{
		"no key":               {generations, "", "", `{"prompt":"a"}`, 401, ""},
		"no key for a model":   {model, "Bearer wrong", "shapes", "", 401, ""},
		"no body":              {generations, key, "", "", 400, "body"},
		"faults":               {generations, key, "", `{"prompt":"a","n":11,"size":"large"}`, 400, "n"},
		"what no model can":    {generations, key, "", `{"prompt":"a","size":"8192x8"}`, 400, "size"},
		"no such model":        {generations, key, "", `{"prompt":"a","model":"nobody"}`, 404, "model"},
		"the same, by quality": {generations, key, "", `{"prompt":"a","model":"nobody","quality":"high"}`, 404, "model"},
		"no such model listed": {model, key, "no/body", "", 404, "model"},
		"too large":            {generations, key, "", `{"prompt":"` + strings.Repeat("a", 300<<10) + `"}`, 413, ""},
		"what the node cannot": {generations, key, "", `{"prompt":"fake:fail=1","size":"64x64"}`, 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			checkProblem(t, v.Ask(t, c.route, c.key, c.id, c.body), c.status, c.param)
		})
	}
}
