package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/internal/ident"
)

// Everything that clients and nodes do with pictures, over both kinds of blobs.
func TestPicturesComeFromWhereTheyAreKept(t *testing.T) {
	artifacttest.Each(t, func(t *testing.T, where string) {
		w := coordtest.New(t, func(c *coordinator.Config) { c.Artifacts = where })
		n := w.Node()
		job := w.Submit(`{"prompt":"a red circle","n":2,"seed":7}`)
		a := n.Assigned()
		n.Done(a)
		n.Settled(a.Attempt)
		for i, image := range w.Job(job.ID).Images {
			want := coordtest.Picture(7 + int64(i))
			got := w.Call("GET", image.URL, "", "Authorization", "")
			if got.Status != 200 || !bytes.Equal(got.Body, want) || got.Header.Get("Content-Type") != "image/png" || got.Header.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Fatalf("image %d: %d %v", i, got.Status, got.Header)
			}
			part := w.Call("GET", image.URL, "", "Range", "bytes=4-9")
			if part.Status != 206 || !bytes.Equal(part.Body, want[4:10]) || part.Header.Get("Content-Range") != fmt.Sprintf("bytes 4-9/%d", len(want)) {
				t.Errorf("a part: %d %v %q", part.Status, part.Header, part.Body)
			}
			if last := w.Call("GET", image.URL, "", "Range", "bytes=-3"); last.Status != 206 || !bytes.Equal(last.Body, want[len(want)-3:]) {
				t.Errorf("the end: %d %q", last.Status, last.Body)
			}
			if beyond := w.Call("GET", image.URL, "", "Range", "bytes=99999999-"); beyond.Status != 416 {
				t.Errorf("beyond the end: %d", beyond.Status)
			}
			etag := got.Header.Get("ETag")
			if same := w.Call("GET", image.URL, "", "If-None-Match", etag); etag != `"`+ident.Digest(want)+`"` || same.Status != 304 {
				t.Errorf("with its ETag %s: %d", etag, same.Status)
			}
			if head := w.Call("HEAD", image.URL, ""); head.Status != 200 || len(head.Body) != 0 || head.Header.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Errorf("head: %d %v", head.Status, head.Header)
			}
		}
		wrong := n.Put(a, 0, coordtest.Picture(1)) // after the end
		if wrong.Status != http.StatusConflict {
			t.Errorf("a late image: %d", wrong.Status)
		}
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		w.Start(func(c *coordinator.Config) { c.Artifacts = where })
		if again := w.Call("GET", w.Job(job.ID).Images[0].URL, "", "Authorization", ""); again.Status != 200 {
			t.Errorf("after a restart: %d %s", again.Status, again.Body)
		}
	})
}

// An image that was deleted is gone, in words, and its job still says how it was made.
func TestDeletedImageIsGone(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	n.Done(a)
	n.Settled(a.Attempt)
	link := w.Job(job.ID).Images[0].URL
	if err := artifacttest.Open(t, w.Dir+"/artifacts").KeepOnly(api.Attempt{Job: job.ID}); err != nil {
		t.Fatal(err)
	}
	if got := w.Call("GET", link, ""); got.Status != 410 || !strings.Contains(string(got.Body), "was kept until") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if job = w.Job(job.ID); job.State != api.StateSucceeded || job.Receipt == nil {
		t.Errorf("job: %+v", job)
	}
}

func TestImagesOfALostAttemptAreDeleted(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	if put := n.Put(a, 0, coordtest.Picture(9)); put.Status != 204 {
		t.Fatalf("put: %d %s", put.Status, put.Body)
	}
	n.Fail(a.Attempt, api.CodeRuntimeFailed)
	n.Settled(a.Attempt)
	b := n.Assigned()
	if images := w.Job(job.ID).Images; len(images) != 0 {
		t.Errorf("images of attempt 2: %+v", images)
	}
	n.Done(b)
	n.Settled(b.Attempt)
	entries, err := os.ReadDir(filepath.Join(w.Dir, "artifacts", job.ID))
	if err != nil || len(entries) != 1 || entries[0].Name() != "2" {
		t.Errorf("attempts on disk: %v %v", entries, err)
	}
}

func TestSignedURLs(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	n.Done(a)
	n.Settled(a.Attempt)
	good := w.Job(job.ID).Images[0].URL
	spoiled := func(edit func(url.Values)) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		edit(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, c := range map[string]struct {
		url    string
		status int
	}{
		"signed":          {good, 200},
		"other signature": {spoiled(func(q url.Values) { q.Set("signature", strings.Repeat("0", 64)) }), 403},
		"longer validity": {spoiled(func(q url.Values) { q.Set("expires", "99999999999") }), 403},
		"no number":       {spoiled(func(q url.Values) { q.Set("expires", "soon") }), 403},
		"no signature":    {spoiled(func(q url.Values) { q.Del("signature") }), 401},
		"another image":   {strings.Replace(good, "/images/0", "/images/1", 1), 403},
	} {
		if got := w.Call("GET", c.url, "", "Authorization", ""); got.Status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, c.status)
		}
	}
	etag := w.Call("GET", good, "").Header.Get("ETag")
	if got := w.Call("GET", good, "", "If-None-Match", etag); etag == "" || got.Status != http.StatusNotModified {
		t.Errorf("with its ETag %s: %d", etag, got.Status)
	}
}

func TestSignedURLsBehindAProxy(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle"}`)
	n.Done(n.Assigned())
	w.Reach(job.ID, coordtest.In(api.StateSucceeded))
	job = coordtest.Decoded[api.Job](t, w.Call("GET", "/easel/v1/jobs/"+job.ID, "", "X-Forwarded-Proto", "https"))
	if url := job.Images[0].URL; !strings.HasPrefix(url, "https://") {
		t.Errorf("URL %s", url)
	}
}
