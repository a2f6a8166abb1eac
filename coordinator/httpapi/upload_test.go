package coordinator

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

func TestUploads(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle","n":2}`)
	a := n.assigned()
	body := string(picture(1))
	at := func(index string) string { return strings.ReplaceAll(a.Upload, "{index}", index) }
	for _, c := range []struct {
		name, path, body string
		header           []string
		status           int
	}{
		{"no ticket", at("0"), body, []string{"Authorization", ""}, 401},
		{"wrong ticket", at("0"), body, []string{"Authorization", "Bearer x"}, 401},
		{"an API key", at("0"), body, []string{"Authorization", "Bearer " + w.key}, 401},
		{"no digest", at("0"), body, []string{"Content-Digest", ""}, 400},
		{"another algorithm", at("0"), body, []string{"Content-Digest", "md5=:AAAA:"}, 400},
		{"broken digest", at("0"), body, []string{"Content-Digest", "sha-256=:AAAA:"}, 400},
		{"digest of other bytes", at("0"), body, []string{"Content-Digest", digestHeader([]byte("x"))}, 400},
		{"not an image", at("0"), "<html><script>", []string{"Content-Digest", digestHeader([]byte("<html><script>"))}, 400},
		{"empty", at("0"), "", []string{"Content-Digest", digestHeader(nil)}, 400},
		{"index over n", at("2"), body, nil, 400},
		{"index below 0", at("-1"), body, nil, 400},
		{"index in words", at("first"), body, nil, 400},
		{"another attempt", strings.ReplaceAll(at("0"), "/attempts/1/", "/attempts/2/"), body, nil, 409},
		{"attempt in words", strings.ReplaceAll(at("0"), "/attempts/1/", "/attempts/x/"), body, nil, 404},
		{"another job", strings.ReplaceAll(at("0"), job.ID, "nothing"), body, nil, 404},
		{"fine", at("0"), body, nil, 204},
		{"the same again", at("0"), body, nil, 204},
		{"other bytes for it", at("0"), string(picture(2)), []string{"Content-Digest", digestHeader(picture(2))}, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := append([]string{"Authorization", "Bearer " + a.Ticket, "Content-Digest", digestHeader([]byte(body))}, c.header...)
			if got := w.call("PUT", c.path, c.body, header...); got.status != c.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
		})
	}
	if images := w.job(job.ID).Images; len(images) != 1 || images[0].SHA256 != hashHex([]byte(body)) || images[0].Bytes != int64(len(body)) {
		t.Errorf("images: %+v", images)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "artifacts", job.ID, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v %v", files, err)
	}
}

func TestUploadOverTheLimit(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	r, err := http.NewRequest("PUT", w.where.URL+strings.ReplaceAll(a.Upload, "{index}", "0"), io.MultiReader(strings.NewReader("\x89PNG\r\n\x1a\n"), io.LimitReader(zeros{}, maxImage)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.Ticket)
	r.Header.Set("Content-Digest", digestHeader(nil))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", response.StatusCode)
	}
	left, _ := filepath.Glob(filepath.Join(w.dir, "artifacts", a.Job, "*", "*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestUploadThatEndsAfterItsTwinSucceeded(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle","seed":7}`)
	a := n.assigned()
	image := picture(7)
	body, rest := io.Pipe()
	r, err := http.NewRequest("PUT", w.where.URL+strings.ReplaceAll(a.Upload, "{index}", "0"), body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(image))
	r.Header.Set("Authorization", "Bearer "+a.Ticket)
	r.Header.Set("Content-Digest", digestHeader(image))
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
	n.done(a)
	n.settled(a.Attempt)
	if _, err := rest.Write(image); err != nil {
		t.Fatal(err)
	}
	rest.Close()
	if got := <-status; got != http.StatusConflict {
		t.Errorf("late upload: got %d, want 409", got)
	}
	if got := w.call("GET", w.job(job.ID).Images[0].URL, ""); got.status != http.StatusOK || string(got.body) != string(image) {
		t.Errorf("image of the succeeded job: %d %s", got.status, got.body)
	}
}

func TestImagesOfALostAttemptAreDeleted(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	if put := n.put(a, 0, picture(9)); put.status != 204 {
		t.Fatalf("put: %d %s", put.status, put.body)
	}
	n.fail(a.Attempt, api.CodeRuntimeFailed)
	n.settled(a.Attempt)
	b := n.assigned()
	if images := w.job(job.ID).Images; len(images) != 0 {
		t.Errorf("images of attempt 2: %+v", images)
	}
	n.done(b)
	n.settled(b.Attempt)
	entries, err := os.ReadDir(filepath.Join(w.dir, "artifacts", job.ID))
	if err != nil || len(entries) != 1 || entries[0].Name() != "2" {
		t.Errorf("attempts on disk: %v %v", entries, err)
	}
}

func TestSignedURLs(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	n.done(a)
	n.settled(a.Attempt)
	good := w.job(job.ID).Images[0].URL
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
		if got := w.call("GET", c.url, "", "Authorization", ""); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
	etag := w.call("GET", good, "").header.Get("ETag")
	if got := w.call("GET", good, "", "If-None-Match", etag); etag == "" || got.status != http.StatusNotModified {
		t.Errorf("with its ETag %s: %d", etag, got.status)
	}
}

func TestSignedURLsBehindAProxy(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	n.done(n.assigned())
	w.reach(job.ID, in(api.StateSucceeded))
	job = decoded[api.Job](t, w.call("GET", "/easel/v1/jobs/"+job.ID, "", "X-Forwarded-Proto", "https"))
	if url := job.Images[0].URL; !strings.HasPrefix(url, "https://") {
		t.Errorf("URL %s", url)
	}
}

func TestSignatureExpires(t *testing.T) {
	s := signer{secret: []byte("secret")}
	const valid = 24 * time.Hour
	job := api.Job{ID: "job", CreatedAt: time.Date(2030, 1, 1, 12, 30, 0, 1, time.UTC)}
	u, err := url.Parse(s.path(job, 0, valid))
	if err != nil {
		t.Fatal(err)
	}
	over := job.CreatedAt.Add(valid + time.Second)
	for _, c := range []struct {
		name       string
		signer     signer
		least, now time.Time
		works      bool
	}{
		{"to the last moment", s, time.Time{}, job.CreatedAt.Add(valid), true},
		{"a second later", s, time.Time{}, over, false},
		{"of a job settled meanwhile", s, over.Add(time.Hour), over, true},
		{"long after that", s, over.Add(time.Hour), over.Add(time.Hour), false},
		{"another secret's", signer{secret: []byte("other")}, over.Add(time.Hour), job.CreatedAt, false},
	} {
		if err := c.signer.check("job", 0, u.Query(), c.least, c.now); (err == nil) != c.works {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestGeneratedCertificateIsKept(t *testing.T) {
	dir := t.TempDir()
	var prints []string
	for range 2 {
		w := &world{t: t, dir: dir}
		w.start(func(c *Config) { c.Listen = "0.0.0.0:0" })
		prints = append(prints, w.where.Fingerprint)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		response, err := client.Get(w.where.URL + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		client.CloseIdleConnections()
		if got := hashHex(response.TLS.PeerCertificates[0].Raw); got != w.where.Fingerprint {
			t.Errorf("serves %s, says %s", got, w.where.Fingerprint)
		}
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if prints[0] != prints[1] {
		t.Error("the second start made another certificate")
	}
	if info, err := os.Stat(filepath.Join(dir, "key.pem")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("key.pem: %v %v", info.Mode(), err)
	}
}
