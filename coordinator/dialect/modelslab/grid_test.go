package modelslab_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/dialect/modelslab"
	"github.com/easelgrid/easel/e2e/grid"
)

func TestMain(m *testing.M) { grid.Main(m) }

// vendor is a grid that is spoken to in the vendor's words: every call has the key in its body.
type vendor struct{ grid.Client }

func newVendor(t *testing.T) vendor { return vendor{grid.Demo(t).Client(t, modelslab.New(nil))} }

// reply has what replies of all kinds have.
type reply struct {
	Status, Message, Messege string
	ID                       int64
	Output, ProxyLinks       []string
	FutureLinks              []string `json:"future_links"`
	FetchResult              string   `json:"fetch_result"`
	ETA                      float64
	GenerationTime           float64
	NSFW                     bool `json:"nsfw_content_detected"`
	Tip                      string
	ImageURL                 string   `json:"image_url"`
	Schedulers               []string `json:"schedulers"`
	Meta                     struct {
		W, H, Steps int
		Seed        int64
		ModelID     string `json:"model_id"`
		FilePrefix  string `json:"file_prefix"` // the job's own id
	}
}

// ask sends fields and the key. A number at the end of the path is an id.
func (v vendor) ask(t *testing.T, path string, status int, fields map[string]any) reply {
	t.Helper()
	body := map[string]any{"key": v.Key}
	for name, value := range fields {
		body[name] = value
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	id := path[strings.LastIndex(path, "/")+1:]
	if _, err := strconv.Atoi(id); err == nil {
		path = strings.TrimSuffix(path, id) + "{id}"
	}
	a := v.Ask(t, dialect.Route{Method: "POST", Path: path}, "", id, string(encoded))
	if a.Status != status {
		t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	return read(t, a)
}

func read(t *testing.T, a grid.Answer) (r reply) {
	t.Helper()
	var early struct{ Output any }
	if json.Unmarshal(a.Body, &early) == nil && early.Output == "" {
		a.Body = bytes.Replace(a.Body, []byte(`"output":""`), []byte(`"output":[]`), 1)
	}
	if err := json.Unmarshal(a.Body, &r); err != nil {
		t.Fatalf("%v in %s", err, a.Body)
	}
	return r
}

func plainPicture(side int) string {
	picture := image.NewGray(image.Rect(0, 0, side, side))
	for i := range picture.Pix {
		picture.Pix[i] = 255
	}
	picture.Set(0, 0, color.Black)
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(file.Bytes())
}

// The examples of the vendor, with another key, and a scheduler that the grid's runtime has.
func TestExamplesOnAGrid(t *testing.T) {
	v := newVendor(t)
	for _, file := range []string{"enterprise-text2img", "v6-text2img", "realtime-text2img"} {
		t.Run(file, func(t *testing.T) {
			body, err := os.ReadFile("testdata/" + file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.NewReplacer("enterprise_api_key", v.Key, "your_api_key", v.Key, "UniPCMultistepScheduler", "EulerDiscreteScheduler").Replace(string(body))
			a := v.Call(t, "POST", map[string]string{
				"enterprise-text2img": "/api/v1/enterprise/text2img", "v6-text2img": "/api/v6/images/text2img", "realtime-text2img": "/api/v6/realtime/text2img",
			}[file], "", changed)
			r := read(t, a)
			if a.Status != 200 || r.Status != "success" || len(r.Output) != 1 || r.Meta.W != 512 && r.Meta.W != 128 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			grid.CheckPNG(t, grid.Fetch(t, r.Output[0]).Body, 512, 512)
		})
	}
}

// Links are promised before there is a picture, and keep the promise.
func TestFutureLinks(t *testing.T) {
	v := newVendor(t)
	p := v.ask(t, "/api/v6/images/text2img", 200, map[string]any{"prompt": "a red circle", "samples": "2", "width": 64, "height": "128", "seed": 5, "instant_response": "yes"})
	if p.Status != "processing" || len(p.FutureLinks) != 2 || p.ETA <= 0 || p.Meta.Seed != 5 || p.Meta.W != 64 || p.Meta.H != 128 {
		t.Fatalf("%+v", p)
	}
	id := strconv.FormatInt(p.ID, 10)
	if p.FetchResult != v.URL+"/api/v6/images/fetch/"+id {
		t.Errorf("fetch at %s", p.FetchResult)
	}
	v.Settle(t)
	for _, link := range p.FutureLinks {
		grid.CheckPNG(t, grid.Fetch(t, link).Body, 64, 128)
	}
	for _, r := range []reply{
		v.ask(t, "/api/v1/enterprise/fetch", 200, map[string]any{"request_id": p.ID}),
		v.ask(t, "/api/v1/enterprise/images/fetch", 200, map[string]any{"request_id": id}),
		v.ask(t, "/api/v6/images/fetch/"+id, 200, nil),
		read(t, v.Call(t, "GET", strings.TrimPrefix(p.FetchResult, v.URL), "Bearer "+v.Key, "")),
	} {
		if r.Status != "success" || r.ID != p.ID || r.GenerationTime <= 0 || strings.Join(r.Output, " ") != strings.Join(p.FutureLinks, " ") || r.Meta.Seed != 5 {
			t.Errorf("%+v", r)
		}
	}
	stranger := v
	stranger.Key = v.Grid.Key(t, "stranger", "")
	if r := stranger.ask(t, "/api/v6/images/fetch/"+id, 404, nil); !strings.Contains(r.Message, id) || r.Message != r.Messege {
		t.Errorf("somebody else's: %+v", r)
	}
}

// Pictures that came out go in again by their links, and so do uploaded ones.
func TestPicturesOfPictures(t *testing.T) {
	v := newVendor(t)
	first := v.ask(t, "/api/v1/enterprise/text2img", 200, map[string]any{"prompt": "a red circle"})
	if first.Status != "success" {
		t.Fatalf("%+v", first)
	}
	uploaded := v.ask(t, "/api/v1/enterprise/upload_image", 200, map[string]any{"base64_image": plainPicture(128), "image_type": "png"}).ImageURL
	again := v.ask(t, "/api/v1/enterprise/img2img", 200, map[string]any{"prompt": "a blue circle", "init_image": first.Output[0], "strength": "0.5"})
	if again.Status != "success" {
		t.Fatalf("%+v", again)
	}
	grid.CheckPNG(t, grid.Fetch(t, again.Output[0]).Body, 128, 128)
	r := v.ask(t, "/api/v6/images/inpaint", 200, map[string]any{"prompt": "a blue circle", "init_image": again.Output[0], "mask_image": uploaded, "base64": "yes"})
	if r.Status != "success" || len(r.Output) != 1 {
		t.Fatalf("%+v", r)
	}
	file, err := base64.StdEncoding.DecodeString(r.Output[0])
	if err != nil {
		t.Fatal(err)
	}
	grid.CheckPNG(t, file, 128, 128)
}

func TestEndsOfJobs(t *testing.T) {
	v := newVendor(t)
	failed := v.ask(t, "/api/v6/images/text2img", 200, map[string]any{"prompt": "fake:fail=1"})
	if failed.Status != "failed" || failed.Message == "" || failed.Message != failed.Messege || len(failed.Output) != 0 {
		t.Errorf("%+v", failed)
	}
	flagged := v.ask(t, "/api/v6/images/text2img", 200, map[string]any{"prompt": "fake:flag", "safety_checker": "yes", "safety_checker_type": "black"})
	if flagged.Status != "success" || !flagged.NSFW {
		t.Errorf("%+v", flagged)
	}
	running := v.ask(t, "/api/v6/images/text2img", 200, map[string]any{"prompt": "fake:hang=1", "instant_response": true})
	waits := v.ask(t, "/api/v6/images/text2img", 200, map[string]any{"prompt": "a red circle", "instant_response": true})
	if waits.Status != "processing" || running.Status != "processing" {
		t.Fatalf("%+v %+v", running, waits)
	}
	early := v.ask(t, "/api/v6/images/fetch/"+strconv.FormatInt(waits.ID, 10), 200, nil)
	if early.Status != "processing" || early.Messege != "try again later." {
		t.Errorf("%+v", early)
	}
	v.ask(t, "/api/v1/enterprise/clear_queue", 200, nil)
	v.Call(t, "DELETE", "/easel/v1/jobs/"+running.Meta.FilePrefix, "Bearer "+v.Key, "")
	v.Settle(t)
	if gone := v.ask(t, "/api/v6/images/fetch/"+strconv.FormatInt(waits.ID, 10), 200, nil); gone.Status != "failed" || gone.Message != "Request was canceled" {
		t.Errorf("%+v", gone)
	}
}

func TestServerOnAGrid(t *testing.T) {
	v := newVendor(t)
	for path, want := range map[string]int{
		"system_details": 200, "images/system_details": 200, "get_all_models": 200, "schedulers_list": 200, "images/restart_server": 400, "load_model": 400,
	} {
		v.ask(t, "/api/v1/enterprise/"+path, want, nil)
	}
	v.ask(t, "/api/v1/enterprise/verify_model", 200, map[string]any{"model_id": "midjourney"})
	if r := v.ask(t, "/api/v1/enterprise/verify_model", 404, map[string]any{"model_id": "nobody"}); r.Message != "Model not found: nobody" {
		t.Errorf("%+v", r)
	}
	if r := v.ask(t, "/api/v1/enterprise/schedulers_list", 200, nil); strings.Join(r.Schedulers, " ") != "DDIMScheduler EulerDiscreteScheduler" {
		t.Errorf("%v", r.Schedulers)
	}
	r := v.ask(t, "/api/v6/images/text2img", 400, map[string]any{"prompt": "a", "scheduler": "KarrasVeScheduler", "samples": 9, "width": "7"})
	for _, part := range []string{"samples: got 9", "width: got"} {
		if !strings.Contains(r.Message, part) {
			t.Errorf("%q is not in %q", part, r.Message)
		}
	}
	r = v.ask(t, "/api/v6/images/text2img", 400, map[string]any{"prompt": "a", "scheduler": "KarrasVeScheduler"})
	if !strings.Contains(r.Message, "scheduler: got") {
		t.Errorf("%+v", r)
	}
	r = v.ask(t, "/api/v6/images/text2img", 404, map[string]any{"prompt": "a", "model_id": "midjourney", "lora_model": "nobody"})
	if !strings.HasPrefix(r.Message, "lora_model") {
		t.Errorf("%+v", r)
	}
	if a := v.Call(t, "POST", "/api/v6/images/nothing", "Bearer "+v.Key, "{}"); a.Status != 404 || read(t, a).Status != "error" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
