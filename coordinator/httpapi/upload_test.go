package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/httpapi"
	"github.com/easelgrid/easel/internal/ident"
)

func TestUploads(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle","n":2}`)
	a := n.Assigned()
	body := string(coordtest.Picture(1))
	at := func(index string) string { return strings.ReplaceAll(a.Upload, "{index}", index) }
	for _, c := range []struct {
		name, path, body string
		header           []string
		status           int
	}{
		{"no ticket", at("0"), body, []string{"Authorization", ""}, 401},
		{"wrong ticket", at("0"), body, []string{"Authorization", "Bearer x"}, 401},
		{"an API key", at("0"), body, []string{"Authorization", "Bearer " + w.Key}, 401},
		{"no digest", at("0"), body, []string{"Content-Digest", ""}, 400},
		{"another algorithm", at("0"), body, []string{"Content-Digest", "md5=:AAAA:"}, 400},
		{"broken digest", at("0"), body, []string{"Content-Digest", "sha-256=:AAAA:"}, 400},
		{"digest of other bytes", at("0"), body, []string{"Content-Digest", coordtest.DigestHeader([]byte("x"))}, 400},
		{"not an image", at("0"), "<html><script>", []string{"Content-Digest", coordtest.DigestHeader([]byte("<html><script>"))}, 400},
		{"empty", at("0"), "", []string{"Content-Digest", coordtest.DigestHeader(nil)}, 400},
		{"index over n", at("2"), body, nil, 400},
		{"index below 0", at("-1"), body, nil, 400},
		{"index in words", at("first"), body, nil, 400},
		{"another attempt", strings.ReplaceAll(at("0"), "/attempts/1/", "/attempts/2/"), body, nil, 409},
		{"attempt in words", strings.ReplaceAll(at("0"), "/attempts/1/", "/attempts/x/"), body, nil, 404},
		{"another job", strings.ReplaceAll(at("0"), job.ID, "nothing"), body, nil, 404},
		{"fine", at("0"), body, nil, 204},
		{"the same again", at("0"), body, nil, 204},
		{"other bytes for it", at("0"), string(coordtest.Picture(2)), []string{"Content-Digest", coordtest.DigestHeader(coordtest.Picture(2))}, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := append([]string{"Authorization", "Bearer " + a.Ticket, "Content-Digest", coordtest.DigestHeader([]byte(body))}, c.header...)
			if got := w.Call("PUT", c.path, c.body, header...); got.Status != c.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, c.status)
			}
		})
	}
	if images := w.Job(job.ID).Images; len(images) != 1 || images[0].SHA256 != ident.Digest([]byte(body)) || images[0].Bytes != int64(len(body)) {
		t.Errorf("images: %+v", images)
	}
	files, err := filepath.Glob(filepath.Join(w.Dir, "artifacts", job.ID, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v %v", files, err)
	}
}

func TestUploadOverTheLimit(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	w.Submit(`{"prompt":"a red circle"}`)
	a := n.Assigned()
	r, err := http.NewRequest("PUT", w.Where.URL+strings.ReplaceAll(a.Upload, "{index}", "0"), io.MultiReader(strings.NewReader("\x89PNG\r\n\x1a\n"), io.LimitReader(zeros{}, httpapi.MaxImage)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.Ticket)
	r.Header.Set("Content-Digest", coordtest.DigestHeader(nil))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", response.StatusCode)
	}
	left, _ := filepath.Glob(filepath.Join(w.Dir, "artifacts", a.Job, "*", "*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestUploadThatEndsAfterItsTwinSucceeded(t *testing.T) {
	w := coordtest.New(t)
	n := w.Node()
	job := w.Submit(`{"prompt":"a red circle","seed":7}`)
	a := n.Assigned()
	image := coordtest.Picture(7)
	body, rest := io.Pipe()
	r, err := http.NewRequest("PUT", w.Where.URL+strings.ReplaceAll(a.Upload, "{index}", "0"), body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(image))
	r.Header.Set("Authorization", "Bearer "+a.Ticket)
	r.Header.Set("Content-Digest", coordtest.DigestHeader(image))
	r.Header.Set("Expect", "100-continue")
	taken := make(chan struct{})
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(taken) }} // the ticket was good
	status := make(chan int, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		defer client.CloseIdleConnections()
		response, err := client.Do(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		if err != nil {
			t.Error(err)
			close(status)
			return
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	<-taken
	n.Done(a)
	n.Settled(a.Attempt)
	if _, err := rest.Write(image); err != nil {
		t.Fatal(err)
	}
	rest.Close()
	if got := <-status; got != http.StatusConflict {
		t.Errorf("late upload: got %d, want 409", got)
	}
	if got := w.Call("GET", w.Job(job.ID).Images[0].URL, ""); got.Status != http.StatusOK || string(got.Body) != string(image) {
		t.Errorf("image of the succeeded job: %d %s", got.Status, got.Body)
	}
}
