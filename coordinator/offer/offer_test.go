package offer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/dialect"
)

const testCatalog = `
default: shapes
models:
  - name: shapes
  - name: flux-dev
    serves: shapes
    owner: somebody
    aliases: ["Flux.1 [dev]"]
    ids: {first: dall-e-3}
    defaults: {steps: 4, width: 1024, height: 1024}
    limits: {max_steps: 50, max_pixels: 2097152}
    loras: {contrast: outline}
    native_size: {width: 128, height: 128}
    upscale: true
  - name: second-only
    serves: shapes
    dialects: second
  - name: far
    serves: not-here
`

// withCatalog starts with a catalog and returns what writes it anew.
func withCatalog(t *testing.T, text string) (edit func(*coordinator.Config), write func(string), reload chan struct{}) {
	path, again := filepath.Join(t.TempDir(), "catalog.yaml"), make(chan struct{})
	write = func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	return func(c *coordinator.Config) { c.Catalog, c.Reload = path, again }, write, again
}

func TestCatalogDecidesWhatClientsSee(t *testing.T) {
	edit, _, _ := withCatalog(t, testCatalog)
	w := coordtest.New(t, coordtest.Plains, edit)
	ids := func(path string) string {
		var all []string
		for _, m := range coordtest.Decoded[[]dialect.Model](t, w.Call("GET", path, "")) {
			all = append(all, m.ID)
		}
		return strings.Join(all, " ")
	}
	if got := ids("/v1/models"); got != "shapes dall-e-3" {
		t.Errorf("the first sees %s", got)
	}
	if got := ids("/second/v1/models"); got != "shapes flux-dev second-only" {
		t.Errorf("the second sees %s", got)
	}
	m := coordtest.Decoded[dialect.Model](t, w.Call("GET", "/v1/models/Flux.1%20%5Bdev%5D", ""))
	if m.ID != "dall-e-3" || m.Name != "flux-dev" || m.Owner != "somebody" || m.Width != 1024 || m.Steps != 4 || m.MaxPixels != 2<<20 ||
		len(m.LoRAs) != 1 || m.LoRAs[0].Name != "contrast" || m.Created.IsZero() || len(m.Schedulers) != 2 {
		t.Errorf("got %+v", m)
	}
	for path, says := range map[string]string{
		"/v1/models/second-only":      `model: got "second-only", want one of shapes, dall-e-3, far`,
		"/second/v1/models/dall-e-3":  `got "dall-e-3", want one of shapes, flux-dev, second-only, far`,
		"/v1/models/far":              `model: "far" is made by model not-here, which no node has`,
		"/second/v1/models/not-here%": "",
	} {
		if got := w.Call("GET", strings.TrimSuffix(path, "%"), ""); got.Status != 404 || !strings.Contains(string(got.Body), says) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	native := coordtest.Decoded[struct{ Models []api.Offer }](t, w.Call("GET", "/easel/v1/models", "")).Models
	if len(native) != 3 || native[1].Name != "flux-dev" || native[1].Serves != "shapes" || native[1].Aliases[0] != "Flux.1 [dev]" {
		t.Errorf("natively there are %+v", native)
	}
	if job := w.Submit(`{"prompt":"a red circle"}`); job.Spec.Model != "shapes" || job.Spec.Width != 128 {
		t.Errorf("the default makes %+v", job.Spec)
	}
}

func TestSmallModelAnswersALargeSize(t *testing.T) {
	edit, _, _ := withCatalog(t, testCatalog)
	w := coordtest.New(t, coordtest.Plains, edit)
	n := w.Node()
	asked := w.Asking(t.Context(), w.Key, "/v1/make", `{"model":"dall-e-3","job":{"prompt":"a red circle","width":1024,"height":576,"loras":[{"name":"contrast","weight":0.5}]}}`)
	a := n.Assigned()
	if s := a.Spec; s.Model != "shapes" || s.Width != 168 || s.Height != 96 || s.OutputWidth != 1024 || s.OutputHeight != 576 || s.Steps != 4 || s.LoRAs[0].Name != "outline" {
		t.Errorf("assigned %+v", s)
	}
	n.Done(a, func(r *api.Receipt) { r.OutputWidth, r.OutputHeight = 1024, 576 })
	got := <-asked
	if got.Status != 200 {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	job := coordtest.Decoded[coordtest.Reply](t, got).Job
	if job.Images[0].Width != 1024 || job.Images[0].Height != 576 || job.Receipt.Width != 168 || job.Receipt.OutputWidth != 1024 {
		t.Errorf("images %+v, receipt %+v", job.Images, job.Receipt)
	}
	bad := w.Call("POST", "/v1/make", `{"model":"dall-e-3","job":{"prompt":"","steps":51,"width":2048,"height":2048}}`)
	for _, text := range []string{"steps: got 51, want at most 50", "at most 2097152 pixels", "prompt:"} {
		if bad.Status != 400 || !strings.Contains(string(bad.Body), text) {
			t.Errorf("%q is not in %d %s", text, bad.Status, bad.Body)
		}
	}
}

// An agent that cannot bring pictures to a size delivers small ones, and its receipt tells.
func TestSmallPictureIsNotTakenForALargeOne(t *testing.T) {
	edit, _, _ := withCatalog(t, testCatalog)
	w := coordtest.New(t, coordtest.Plains, edit)
	n := w.Node()
	w.Asking(t.Context(), w.Key, "/v1/make", `{"model":"dall-e-3","job":{"prompt":"a red circle"}}`)
	a := n.Assigned()
	n.Done(a)
	job := w.Reach(a.Job, func(j api.Job) bool { return j.Attempt > 1 || j.State == api.StateQueued || j.State == api.StateFailed })
	if job.State == api.StateSucceeded {
		t.Errorf("the job is %s", job.State)
	}
}

func TestCatalogIsReadAgain(t *testing.T) {
	edit, write, reload := withCatalog(t, testCatalog)
	log := &coordtest.Lines{}
	w := coordtest.New(t, coordtest.Plains, edit, log.Take)
	read := func() {
		reload <- struct{}{}
		reload <- struct{}{} // taken only when the first is done
	}
	write("models:\n  - name: other\n    serves: shapes\n")
	read()
	if m := coordtest.Decoded[dialect.Model](t, w.Call("GET", "/v1/models/other", "")); m.ID != "other" {
		t.Errorf("after a change: %+v", m)
	}
	write("models:\n  - name: broken\n    serves: shapes\n    steps: 3\n")
	read()
	if m := coordtest.Decoded[dialect.Model](t, w.Call("GET", "/v1/models/other", "")); m.ID != "other" {
		t.Errorf("after a fault: %+v", m)
	}
	if text := log.Text(); !strings.Contains(text, `line 4: \"steps\": there is no such field`) || !strings.Contains(text, "the old one stays") {
		t.Errorf("the log says\n%s", text)
	}
}

func TestBrokenCatalogIsNoStart(t *testing.T) {
	edit, _, _ := withCatalog(t, "models:\n  - name: a\n    sreves: b\n")
	config := coordinator.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Models: []api.Runtime{coordtest.Runtime}}
	edit(&config)
	if err := coordinator.Run(t.Context(), config); err == nil || !strings.Contains(err.Error(), `line 3: "sreves": there is no such field`) {
		t.Errorf("got %v", err)
	}
}
