package coordinator

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
)

// imageJob makes a job with one stored image, which ended as wanted or runs.
func imageJob(t *testing.T, j *jobs, state api.State) api.Job {
	t.Helper()
	job, err := j.submit(t.Context(), submission{spec: api.ImageSpec{Model: "shapes", N: 1, Width: 64, Height: 64}})
	if err != nil {
		t.Fatal(err)
	}
	at := api.Attempt{Job: job.ID, Number: 1}
	body := picture(1)
	if _, err := j.artifacts.put(t.Context(), at, 0, hashHex(body), bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	image := api.Image{SHA256: hashHex(body)}
	steps := []func(*record) error{
		func(r *record) error { return r.assign("n", "test", nil) },
		func(r *record) error { return r.deliver(1, image) },
	}
	if state == api.StateSucceeded {
		steps = append(steps, func(r *record) error {
			return r.succeed(at, "n", api.Receipt{Attempt: at, NodeID: "n", Model: "shapes", Width: 64, Height: 64, Seeds: []int64{0}, ImageDigests: []string{image.SHA256}})
		})
	}
	for _, step := range steps {
		if _, err := j.change(t.Context(), job.ID, step); err != nil {
			t.Fatal(err)
		}
	}
	_, job, _, err = j.find(t.Context(), job.ID)
	if err != nil || job.State != state {
		t.Fatalf("%s, %v", job.State, err)
	}
	return job
}

func TestSweep(t *testing.T) {
	eachBlobs(t, func(t *testing.T, where string) {
		s, _ := sharedStore(t)
		a := opened(t, where)
		j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
		const images, records = 24 * time.Hour, 30 * 24 * time.Hour
		sweeper := &sweeper{jobs: j, artifacts: a, log: discard, images: images, records: records}
		first, running, last := imageJob(t, j, api.StateSucceeded), imageJob(t, j, api.StateRunning), imageJob(t, j, api.StateSucceeded)
		orphan := newJobID(time.Now())
		if _, err := a.put(t.Context(), api.Attempt{Job: orphan, Number: 1}, 0, hashHex([]byte("x")), strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if err := a.putInput(t.Context(), running.ID, []byte("input")); err != nil {
			t.Fatal(err)
		}
		has := func(job string) (image, record bool) {
			_, _, _, err := j.find(t.Context(), job)
			return listed(t, a, job) != "", err == nil
		}
		for _, step := range []struct {
			name string
			at   time.Time
			want swept
		}{
			{"at once", time.Now(), swept{}},
			{"just before", first.UpdatedAt.Add(images - time.Millisecond), swept{}},
			{"the first is over", first.UpdatedAt.Add(images), swept{images: 1}},
			{"all are over", last.UpdatedAt.Add(images + time.Second), swept{images: 2}}, // and the orphan
			{"nothing is left", last.UpdatedAt.Add(images + time.Second), swept{}},
			{"just before the records' end", first.UpdatedAt.Add(records - time.Millisecond), swept{}},
			{"the records are over", last.UpdatedAt.Add(records), swept{records: 2}},
			{"years later", last.UpdatedAt.Add(20 * records), swept{}},
		} {
			got, err := sweeper.sweep(t.Context(), step.at)
			if err != nil || got != step.want {
				t.Errorf("%s: %+v, %v, want %+v", step.name, got, err, step.want)
			}
		}
		for _, job := range []string{first.ID, last.ID, orphan} {
			if image, record := has(job); image || record {
				t.Errorf("%s: image %v, record %v", job, image, record)
			}
		}
		if image, record := has(running.ID); !image || !record || listed(t, a, "inputs/"+running.ID) == "" {
			t.Errorf("the running job: image %v, record %v", image, record)
		}
		if names, err := s.jobs.names(t.Context()); err != nil || len(names) != 1 {
			t.Errorf("records: %v %v", names, err)
		}
	})
}

func TestKeptForEver(t *testing.T) {
	s, a := sharedStore(t)
	j := newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	job := imageJob(t, j, api.StateSucceeded)
	sweeper := &sweeper{jobs: j, artifacts: a, log: discard, images: -1, records: -1}
	if got, err := sweeper.sweep(t.Context(), job.UpdatedAt.Add(100*365*24*time.Hour)); err != nil || got != (swept{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHowLongThingsAreKept(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct{ links, images, records, wantImages, wantRecords time.Duration }{
		{0, 0, 0, day, 30 * day},
		{0, time.Hour, 0, day, 30 * day},
		{48 * time.Hour, 0, 0, 2 * day, 30 * day},
		{0, 60 * day, 0, 60 * day, 60 * day},
		{0, 0, time.Hour, day, day},
		{0, -1, 0, -1, -1},
		{0, -1, day, -1, -1},
		{0, 0, -1, day, -1},
	} {
		got := Config{LinkValid: c.links, KeepImages: c.images, KeepRecords: c.records}.withDefaults()
		if got.KeepImages != c.wantImages || got.KeepRecords != c.wantRecords {
			t.Errorf("%+v: images %s, records %s", c, got.KeepImages, got.KeepRecords)
		}
	}
}

func TestTimeOf(t *testing.T) {
	now := time.UnixMilli(1_900_000_000_123)
	if got, ok := timeOf(newJobID(now)); !ok || !got.Equal(now) {
		t.Errorf("%s %v", got, ok)
	}
	for _, id := range []string{"", "inputs", "pictures", "..", newJobID(now) + "0", newJobID(now)[1:]} {
		if _, ok := timeOf(id); ok {
			t.Errorf("%q has a time", id)
		}
	}
}

// An image that was deleted is gone, in words, and its job still says how it was made.
func TestDeletedImageIsGone(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	job := w.submit(`{"prompt":"a red circle"}`)
	a := n.assigned()
	n.done(a)
	n.settled(a.Attempt)
	link := w.job(job.ID).Images[0].URL
	if err := opened(t, w.dir+"/artifacts").keepOnly(api.Attempt{Job: job.ID}); err != nil {
		t.Fatal(err)
	}
	if got := w.call("GET", link, ""); got.status != 410 || !strings.Contains(string(got.body), "was kept until") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if job = w.job(job.ID); job.State != api.StateSucceeded || job.Receipt == nil {
		t.Errorf("job: %+v", job)
	}
}

func TestKeptPictures(t *testing.T) {
	eachBlobs(t, func(t *testing.T, where string) {
		s, _ := sharedStore(t)
		c := &coordinator{config: Config{PublicURL: "https://easel.example/"}.withDefaults(), log: discard, storage: s, signer: signer{[]byte("secret")}}
		c.artifacts = opened(t, where)
		c.jobs = newJobs(s, c.artifacts, newLeases(time.Minute, time.Minute), discard, func() {})
		mine := picture(3)
		link, err := service{c}.Keep(t.Context(), nil, dialect.Caller{Name: "me"}, mine)
		if err != nil || !strings.HasPrefix(link, "https://easel.example/easel/v1/pictures/") || !strings.Contains(link, ".png?signature=") {
			t.Fatalf("%s, %v", link, err)
		}
		if got, err := (service{c}).Fetch(t.Context(), link); err != nil || !bytes.Equal(got, mine) {
			t.Errorf("fetched %d bytes, %v", len(got), err)
		}
		if _, err := (service{c}).Keep(t.Context(), nil, dialect.Caller{Name: "me"}, []byte("<html>")); api.AsError(err, "").Code != api.CodeInvalidRequest {
			t.Errorf("not a picture: %v", err)
		}

		serving := &world{t: t, key: "none"}
		server := newServing(t, c)
		serving.where.URL = server
		file := server + strings.TrimPrefix(link, "https://easel.example")
		got := serving.call("GET", file, "")
		if got.status != 200 || !bytes.Equal(got.body, mine) || got.header.Get("Content-Type") != "image/png" {
			t.Errorf("served: %d %v", got.status, got.header)
		}
		if part := serving.call("GET", file, "", "Range", "bytes=1-3"); part.status != 206 || string(part.body) != "PNG" {
			t.Errorf("a part: %d %q", part.status, part.body)
		}
		if same := serving.call("GET", file, "", "If-None-Match", got.header.Get("ETag")); same.status != 304 {
			t.Errorf("with its ETag: %d", same.status)
		}
		for name, c := range map[string]struct {
			url    string
			status int
		}{
			"no signature":      {strings.Split(file, "?")[0], 403},
			"another signature": {file[:len(file)-1] + "x", 403},
			"another picture":   {strings.Replace(file, "/pictures/", "/pictures/0", 1), 403},
		} {
			if got := serving.call("GET", c.url, ""); got.status != c.status {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}

		sweeper := c.sweeper()
		if n, err := sweeper.sweep(t.Context(), time.Now().Add(c.config.LinkValid-time.Minute)); err != nil || n != (swept{}) {
			t.Errorf("swept early: %+v, %v", n, err)
		}
		if n, err := sweeper.sweep(t.Context(), time.Now().Add(c.config.LinkValid+time.Second)); err != nil || n != (swept{pictures: 1}) {
			t.Errorf("swept: %+v, %v", n, err)
		}
		if got := serving.call("GET", file, ""); got.status != 410 || !strings.Contains(string(got.body), "was kept until") {
			t.Errorf("after it: %d %s", got.status, got.body)
		}
		if _, err := (service{c}).Fetch(t.Context(), link); err == nil || !strings.Contains(err.Error(), "was kept until") {
			t.Errorf("fetched after it: %v", err)
		}
	})
}

func TestPicturesThatComeInAreNotSwept(t *testing.T) {
	s, a := sharedStore(t)
	c := &coordinator{config: Config{}.withDefaults(), log: discard, storage: s, artifacts: a}
	c.jobs = newJobs(s, a, newLeases(time.Minute, time.Minute), discard, func() {})
	now := time.Now()
	digest := hashHex(picture(1))
	part := keptName("me", newJobID(now.Add(time.Hour))+".0123456789abcdef.part")
	if _, err := a.store(t.Context(), part, digest, bytes.NewReader(picture(1))); err != nil {
		t.Fatal(err)
	}
	if n, err := c.sweeper().sweep(t.Context(), now); err != nil || n != (swept{}) {
		t.Errorf("swept early: %+v, %v", n, err)
	}
	if n, err := c.sweeper().sweep(t.Context(), now.Add(2*time.Hour)); err != nil || n != (swept{pictures: 1}) { // what a sudden end left
		t.Errorf("swept: %+v, %v", n, err)
	}
}

func TestKeptPicturesOfAKeyAreLimited(t *testing.T) {
	s, a := sharedStore(t)
	c := &coordinator{config: Config{}.withDefaults(), log: discard, storage: s, artifacts: a, signer: signer{[]byte("secret")}}
	for i := range maxKept - 1 {
		name := path.Join("pictures", keptOwner("me"), fmt.Sprint(i))
		if err := a.blobs.(directory).root.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.keepPicture(t.Context(), nil, "me", picture(1)); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if _, err := c.keepPicture(t.Context(), nil, "me", picture(1)); api.AsError(err, "").Code != api.CodeQuotaExceeded {
		t.Errorf("one more: %v", err)
	}
	if _, err := c.keepPicture(t.Context(), nil, "another", picture(1)); err != nil {
		t.Errorf("another key's: %v", err)
	}
}

func TestExpiredKeptPictureIsNotOpened(t *testing.T) {
	s, a := sharedStore(t)
	c := &coordinator{config: Config{}.withDefaults(), log: discard, storage: s, artifacts: a, signer: signer{[]byte("secret")}}
	link, err := c.keepPicture(t.Context(), nil, "me", picture(1))
	if err != nil {
		t.Fatal(err)
	}
	file, signature, _ := strings.Cut(strings.TrimPrefix(link, keptPath), "?signature=")
	query := map[string][]string{"signature": {signature}}
	late := time.Now().Add(c.config.LinkValid + time.Second)
	if _, err := c.openKept(file, query, late); api.AsError(err, "").Code != api.CodeNotFound {
		t.Errorf("after its end: %v", err)
	}
	body, err := c.openKept(file, query, time.Now())
	if err != nil || errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	body.Close()
}

// newServing serves kept pictures alone.
func newServing(t *testing.T, c *coordinator) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+keptPath+"{file}", c.showKept)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
