package httpapi_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/coordtest"
)

func TestUploadedPictures(t *testing.T) {
	artifacttest.Each(t, func(t *testing.T, where string) {
		edit := func(c *coordinator.Config) { c.Artifacts, c.PublicURL = where, "https://easel.example/" }
		w := coordtest.New(t, coordtest.Plains, edit)
		mine := coordtest.Picture(3)
		link := string(w.Call("POST", "/v1/keep", string(mine)).Body)
		if !strings.HasPrefix(link, "https://easel.example/easel/v1/pictures/") || !strings.Contains(link, ".png?signature=") {
			t.Fatalf("kept at %s", link)
		}
		if got := w.Call("POST", "/v1/fetch", link); got.Status != 200 || !bytes.Equal(got.Body, mine) {
			t.Errorf("fetched: %d, %d bytes", got.Status, len(got.Body))
		}
		if got := w.Call("POST", "/v1/keep", "<html>"); got.Status != 400 {
			t.Errorf("not a picture: %d %s", got.Status, got.Body)
		}
		path := strings.TrimPrefix(link, "https://easel.example")
		got := w.Call("GET", path, "", "Authorization", "")
		if got.Status != 200 || !bytes.Equal(got.Body, mine) || got.Header.Get("Content-Type") != "image/png" {
			t.Errorf("served: %d %v", got.Status, got.Header)
		}
		if part := w.Call("GET", path, "", "Range", "bytes=1-3"); part.Status != 206 || string(part.Body) != "PNG" {
			t.Errorf("a part: %d %q", part.Status, part.Body)
		}
		if same := w.Call("GET", path, "", "If-None-Match", got.Header.Get("ETag")); same.Status != 304 {
			t.Errorf("with its ETag: %d", same.Status)
		}
		for name, path := range map[string]string{
			"no signature":      strings.Split(path, "?")[0],
			"another signature": path[:len(path)-1] + "x",
			"another picture":   strings.Replace(path, "/pictures/", "/pictures/0", 1),
		} {
			if got := w.Call("GET", path, ""); got.Status != 403 {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
		}
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		uploads := artifact.NewUploads(artifacttest.Open(t, where), artifact.NewLinks([]byte(w.Read("url.secret")), 24*time.Hour))
		if n, err := uploads.Sweep(t.Context(), time.Now().Add(24*time.Hour-time.Minute)); err != nil || n != 0 {
			t.Errorf("swept early: %d, %v", n, err)
		}
		if n, err := uploads.Sweep(t.Context(), time.Now().Add(24*time.Hour+time.Second)); err != nil || n != 1 {
			t.Errorf("swept: %d, %v", n, err)
		}
		w.Start(coordtest.Plains, edit)
		if got := w.Call("GET", path, ""); got.Status != 410 || !strings.Contains(string(got.Body), "was kept until") {
			t.Errorf("after it: %d %s", got.Status, got.Body)
		}
		if got := w.Call("POST", "/v1/fetch", link); got.Status != 404 || !strings.Contains(string(got.Body), "was kept until") {
			t.Errorf("fetched after it: %d %s", got.Status, got.Body)
		}
	})
}
