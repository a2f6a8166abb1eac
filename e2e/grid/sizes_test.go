package grid_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/e2e/grid"
)

// Without a catalog nothing brings pictures to size but the request's own way to deal with a size that
// the model cannot make.
func TestSizesThatNoModelMakes(t *testing.T) {
	g := grid.Start(t, "")
	key := "Bearer " + g.Key(t, "client", "")
	for name, c := range map[string]struct {
		path, body    string
		status        int
		width, height int
	}{
		"nearest":            {"/distribute/v1/images/generations", `{"model":"shapes","prompt":"a","size":"101x99"}`, 200, 101, 99},
		"nearest, very thin": {"/distribute/v1/images/generations", `{"model":"shapes","prompt":"a","size":"1x128"}`, 200, 1, 128},
		"nearest, as it is":  {"/distribute/v1/images/generations", `{"model":"shapes","prompt":"a","size":"64x128"}`, 200, 64, 128},
		"a task":             {"/yescale/task/submit", `{"model":"shapes","prompt":"a","config":{"size":"90x90"}}`, 200, 90, 90},
		"exactly":            {"/v1/images/generations", `{"model":"shapes","prompt":"a","size":"101x99"}`, 400, 0, 0},
		"exactly, as it is":  {"/v1/images/generations", `{"model":"shapes","prompt":"a","size":"104x96"}`, 200, 104, 96},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if a := g.Call(t, http.MethodPost, c.path, key, c.body, "Idempotency-Key", strings.ReplaceAll(name, " ", "-")); a.Status != c.status {
					t.Fatalf("got %d %.300s", a.Status, a.Body)
				}
			}
			if c.status != http.StatusOK {
				return
			}
			if width, height := newest(t, g, key).FinishedSize(); width != c.width || height != c.height {
				t.Errorf("got a picture of %d x %d, want %d x %d", width, height, c.width, c.height)
			}
		})
	}
	if n := jobsOf(t, g, strings.TrimPrefix(key, "Bearer ")); n != 5 {
		t.Errorf("five requests, each sent twice, made %d jobs", n)
	}
}

// DistributeAI's default of 768x768 is only a proposal where the client names no size.
func TestDefaultSizeOfADialect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalog.yaml")
	text := "default: large\nmodels:\n  - {name: large, serves: shapes}\n  - {name: small, serves: shapes, limits: {max_pixels: 16384}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := grid.Start(t, file)
	key := "Bearer " + g.Key(t, "client", "")
	for name, c := range map[string]struct {
		body         string
		status, side int
	}{
		"the vendor's default":           {`{"model":"large","prompt":"a"}`, 200, 768},
		"one that the model cannot make": {`{"model":"small","prompt":"a"}`, 200, 128},
		"the same, asked for":            {`{"model":"small","prompt":"a","size":"768x768"}`, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.Call(t, http.MethodPost, "/async/images/create", key, c.body)
			if a.Status != c.status {
				t.Fatalf("got %d %s", a.Status, a.Body)
			}
			if a.Status != http.StatusOK {
				return
			}
			if width, height := newest(t, g, key).FinishedSize(); width != c.side || height != c.side {
				t.Errorf("got %d x %d", width, height)
			}
		})
	}
}

// The quality of OpenAI's requests is a multiple of the model's own steps, with or without a catalog.
func TestStepsOfAQuality(t *testing.T) {
	for name, g := range map[string]*grid.Grid{"without": grid.Start(t, ""), "with": grid.Demo(t)} {
		key := "Bearer " + g.Key(t, "client", "")
		steps := map[string]int{}
		for _, quality := range []string{"low", "medium", "high"} {
			body := `{"model":"shapes","prompt":"a","size":"64x64","quality":"` + quality + `"}`
			if a := g.Call(t, http.MethodPost, "/v1/images/generations", key, body); a.Status != http.StatusOK {
				t.Fatalf("%s: got %d %s", name, a.Status, a.Body)
			}
			steps[quality] = newest(t, g, key).Steps
		}
		if own := steps["medium"]; own < 2 || steps["low"] != (own+1)/2 || steps["high"] != int(float64(own)*1.5+0.5) {
			t.Errorf("%s a catalog: got %v", name, steps)
		}
	}
}

// newest is the spec of the job that was made last.
func newest(t *testing.T, g *grid.Grid, key string) api.ImageSpec {
	t.Helper()
	var list struct{ Jobs []api.Job }
	g.Call(t, http.MethodGet, "/easel/v1/jobs", key, "").Decode(t, &list)
	if len(list.Jobs) == 0 {
		t.Fatal("there is no job")
	}
	last := list.Jobs[0]
	for _, job := range list.Jobs {
		if job.ID > last.ID { // ids are in order of time
			last = job
		}
	}
	return last.Spec
}
