package yescale_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/yescale"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

var (
	routes   = yescale.New(nil).Routes()
	generate = routes[0]
	submit   = routes[1]
	task     = routes[2]
)

type pictures struct {
	Created int64
	Data    []map[string]*string
}

func TestPicturesAtOnce(t *testing.T) {
	v := grid.Demo(t).Client(t, yescale.New(nil))
	key := "Bearer " + v.Key
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
			a := v.Ask(t, generate, key, "", c.body)
			var reply pictures
			a.Decode(t, &reply)
			if a.Status != 200 || reply.Created == 0 || len(reply.Data) != c.n {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			for _, d := range reply.Data {
				if len(d) != 3 || d["b64_json"] != nil || d["revised_prompt"] != nil || d["url"] == nil {
					t.Fatalf("got %s", a.Body)
				}
				grid.CheckPNG(t, grid.Fetch(t, *d["url"]).Body, c.width, c.height)
			}
		})
	}
	var reply pictures
	v.Ask(t, generate, key, "", `{"model":"flux-pro","prompt":"a","size":"512x768","response_format":"b64_json"}`).Decode(t, &reply)
	if len(reply.Data) != 1 || reply.Data[0]["url"] != nil || reply.Data[0]["b64_json"] == nil {
		t.Fatalf("in base64: got %v", reply)
	}
	file, err := base64.StdEncoding.DecodeString(*reply.Data[0]["b64_json"])
	if err != nil {
		t.Fatal(err)
	}
	grid.CheckPNG(t, file, 512, 768)
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
	v := grid.Demo(t).Client(t, yescale.New(nil))
	key := "Bearer " + v.Grid.Key(t, "bound", "yescale") // bound: the prefix may be left out
	for name, c := range map[string]struct {
		body          string
		width, height int
		fails         string
	}{
		"as one client sends it":     {`{"model":"gpt-image","task_type":"generate","prompt":"a","config":{"background":"opaque","quality":"low","size":"1024x1536"}}`, 1024, 1536, ""},
		"as another client sends it": {`{"model":"gemini-2.5-flash-image[nano-banana]","prompt":"a","config":{"aspect_ratio":"1:1","images":["data:image/png;base64,` + base64.StdEncoding.EncodeToString(grid.PNG(64, 96)) + `"]}}`, 1024, 1024, ""},
		"one that fails":             {`{"model":"gpt-image","prompt":"fake:fail=1","config":{"size":"64x64"}}`, 0, 0, "fake"},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.Call(t, "POST", "/task/submit", key, c.body)
			var accepted struct {
				TaskID string `json:"task_id"`
			}
			a.Decode(t, &accepted)
			if a.Status != 200 || accepted.TaskID == "" {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			var r report
			v.Ask(t, task, key, accepted.TaskID, "").Decode(t, &r)
			if r.TaskID != accepted.TaskID || (r.Status == "PROCESSING") != (r.Progress != "100%") {
				t.Errorf("got %+v", r)
			}
			v.Settle(t)
			v.Ask(t, task, key, accepted.TaskID, "").Decode(t, &r)
			if c.fails != "" {
				if r.Status != "FAILURE" || !strings.Contains(r.Reason, c.fails) || len(r.Result.Images) > 0 {
					t.Errorf("got %+v", r)
				}
				return
			}
			if r.Status != "SUCCESS" || r.Reason != "" || len(r.Result.Images) != 1 || r.Result.URL != r.Result.Images[0].URL {
				t.Fatalf("got %+v", r)
			}
			grid.CheckPNG(t, grid.Fetch(t, r.Result.URL).Body, c.width, c.height)
		})
	}
}

func TestRefusals(t *testing.T) {
	v := grid.Demo(t).Client(t, yescale.New(nil))
	key := "Bearer " + v.Key
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
			a := v.Ask(t, c.route, c.key, c.id, c.body)
			var problem struct {
				Error struct{ Message, Type, Code string }
			}
			a.Decode(t, &problem)
			if a.Status != c.status || problem.Error.Type != "new_api_error" || problem.Error.Code != c.code || !strings.Contains(problem.Error.Message, c.says) {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			if id := a.Header.Get("X-Oneapi-Request-Id"); id == "" || !strings.HasSuffix(problem.Error.Message, "(request id: "+id+")") {
				t.Errorf("the id is %q in %s", id, a.Body)
			}
		})
	}
}
