package yescale_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/dialecttest"
	"github.com/easelgrid/easel/coordinator/dialect/yescale"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

const catalog = "../../../docs/examples/catalog-demo.yaml"

var (
	contract = dialecttest.NewContract(yescale.New(nil))
	routes   = yescale.New(nil).Routes()
	generate = routes[0]
	submit   = routes[1]
	task     = routes[2]
)

// ask sends a request and holds the reply against the OpenAPI document.
func ask(t *testing.T, g *grid.Grid, r dialect.Route, key, id, body string) grid.Answer {
	t.Helper()
	authorization := ""
	if key != "" {
		authorization = "Bearer " + key
	}
	a := g.Call(t, r.Method, r.Prefix+strings.Replace(r.Path, "{id}", id, 1), authorization, body)
	contract.Reply(t, r, a.Status, a.Body)
	return a
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

type pictures struct {
	Created int64
	Data    []map[string]*string
}

func TestPicturesAtOnce(t *testing.T) {
	g := grid.Start(t, catalog)
	key := g.Key(t, "client", "")
	for name, c := range map[string]struct {
		body             string
		width, height, n int
	}{
		"the vendor's sample": {`{
  "model": "flux-pro",
  "prompt": "a beautiful landscape with a river and mountains",
  "size": "1024x1024",
  "n": 1
}`, 1024, 1024, 1},
		"an odd size":        {`{"model":"flux-pro","prompt":"a","size":"1366x768","n":2}`, 1366, 768, 2},
		"as clients send it": {`{"model":"flux-pro","prompt":"a","aspect_ratio":"9:16","quality":"hd","response_format":"url"}`, 768, 1366, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, g, generate, key, "", c.body)
			var reply pictures
			decode(t, a.Body, &reply)
			if a.Status != 200 || reply.Created == 0 || len(reply.Data) != c.n {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			for _, d := range reply.Data {
				if len(d) != 3 || d["b64_json"] != nil || d["revised_prompt"] != nil || d["url"] == nil {
					t.Fatalf("got %s", a.Body)
				}
				checkPicture(t, grid.Fetch(t, *d["url"]).Body, c.width, c.height)
			}
		})
	}
	var reply pictures
	decode(t, ask(t, g, generate, key, "", `{"model":"flux-pro","prompt":"a","size":"512x768","response_format":"b64_json"}`).Body, &reply)
	if len(reply.Data) != 1 || reply.Data[0]["url"] != nil || reply.Data[0]["b64_json"] == nil {
		t.Fatalf("in base64: got %v", reply)
	}
	file, err := base64.StdEncoding.DecodeString(*reply.Data[0]["b64_json"])
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, file, 512, 768)
}

type report struct {
	TaskID   string `json:"task_id"`
	Status   string
	Progress string
	Result   struct {
		URL    string
		Images []struct{ URL string }
	} `json:"task_result"`
	Reason string `json:"err_reason"`
}

func TestTasks(t *testing.T) {
	g := grid.Start(t, catalog)
	key := g.Key(t, "client", "yescale") // bound: the prefix may be left out
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 64, 96))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body          string
		width, height int
		fails         string
	}{
		"as one client sends it":     {`{"model":"gpt-image","task_type":"generate","prompt":"a","config":{"background":"opaque","quality":"low","size":"1024x1536"}}`, 1024, 1536, ""},
		"as another client sends it": {`{"model":"gemini-2.5-flash-image[nano-banana]","prompt":"a","config":{"aspect_ratio":"1:1","images":["data:image/png;base64,` + base64.StdEncoding.EncodeToString(picture.Bytes()) + `"]}}`, 1024, 1024, ""},
		"one that fails":             {`{"model":"gpt-image","prompt":"fake:fail=1","config":{"size":"64x64"}}`, 0, 0, "fake"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.Call(t, "POST", "/task/submit", "Bearer "+key, c.body)
			var accepted struct {
				TaskID string `json:"task_id"`
			}
			decode(t, a.Body, &accepted)
			if a.Status != 200 || accepted.TaskID == "" {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			var r report
			decode(t, ask(t, g, task, key, accepted.TaskID, "").Body, &r)
			if r.TaskID != accepted.TaskID || (r.Status == "PROCESSING") != (r.Progress != "100%") {
				t.Errorf("got %+v", r)
			}
			g.Settle(t)
			decode(t, ask(t, g, task, key, accepted.TaskID, "").Body, &r)
			if c.fails != "" {
				if r.Status != "FAILURE" || !strings.Contains(r.Reason, c.fails) || len(r.Result.Images) > 0 {
					t.Errorf("got %+v", r)
				}
				return
			}
			if r.Status != "SUCCESS" || r.Reason != "" || len(r.Result.Images) != 1 || r.Result.URL != r.Result.Images[0].URL {
				t.Fatalf("got %+v", r)
			}
			checkPicture(t, grid.Fetch(t, r.Result.URL).Body, c.width, c.height)
		})
	}
}

func TestRefusals(t *testing.T) {
	g := grid.Start(t, catalog)
	key := g.Key(t, "client", "")
	for name, c := range map[string]struct {
		route         dialect.Route
		key, id, body string
		status        int
		code, says    string
	}{
		"no key":        {generate, "", "", `{"prompt":"a"}`, 401, "", ""},
		"no body":       {submit, key, "", "", 400, "invalid_request", "body: got nothing"},
		"faults":        {generate, key, "", `{"prompt":"a","n":11,"size":"512x512"}`, 400, "invalid_request", `n: got 11, want a whole number from 1 to 10; size: got "512x512", want one of 1024x512`},
		"no such model": {generate, key, "", `{"prompt":"a","model":"midjourney"}`, 404, "model_not_found", "midjourney"},
		"no such task":  {task, key, "task_1", "", 404, "not_found", "task_1"},
		"a private address": {
			submit, key, "", `{"prompt":"a","config":{"images":["http://127.0.0.1/a.png"]}}`, 400, "invalid_request", "config.images[0]",
		},
		"no picture": {submit, key, "", `{"prompt":"a","config":{"images":["aGVsbG8="]}}`, 400, "invalid_request", "config.images[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, g, c.route, c.key, c.id, c.body)
			var problem struct {
				Error struct{ Message, Type, Code string }
			}
			decode(t, a.Body, &problem)
			if a.Status != c.status || problem.Error.Type != "new_api_error" || problem.Error.Code != c.code || !strings.Contains(problem.Error.Message, c.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			if id := a.Header.Get("X-Oneapi-Request-Id"); id == "" || !strings.HasSuffix(problem.Error.Message, "(request id: "+id+")") {
				t.Errorf("the id is %q in %s", id, a.Body)
			}
		})
	}
}
