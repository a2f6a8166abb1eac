package coordinator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eachBlobs runs a test over both kinds of blobs, with the address to open them by.
func eachBlobs(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("directory", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "artifacts")) })
	eachBucket(t, test)
}

func opened(t *testing.T, where string) *artifacts {
	t.Helper()
	a, err := openArtifacts(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close() })
	return a
}

func listed(t *testing.T, a *artifacts, dir string) string {
	t.Helper()
	var names []string
	for name, err := range a.blobs.list(dir) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("not in order: %v", names)
	}
	return strings.Join(names, " ")
}

// failing gives some bytes and then an error.
type failing struct{ err error }

func (f failing) Read(b []byte) (int, error) { return 0, f.err }

func TestArtifacts(t *testing.T) {
	eachBlobs(t, func(t *testing.T, where string) {
		a := opened(t, where)
		at := api.Attempt{Job: "j", Number: 1}
		body := bytes.Repeat([]byte("0123456789"), s3Part/10*2+7) // three parts of an upload
		digest := hashHex(body)

		if size, err := a.put(t.Context(), at, 0, digest, bytes.NewReader(body)); err != nil || size != int64(len(body)) {
			t.Fatalf("put: %d, %v", size, err)
		}
		if _, err := a.put(t.Context(), at, 0, digest, bytes.NewReader(body)); err != nil {
			t.Errorf("put again: %v", err)
		}
		file, err := a.open(at, 0, digest)
		if err != nil {
			t.Fatal(err)
		}
		if end, err := file.Seek(0, io.SeekEnd); err != nil || end != int64(len(body)) {
			t.Errorf("length: %d, %v", end, err)
		}
		if _, err := file.Seek(1_000_003, io.SeekStart); err != nil {
			t.Error(err)
		}
		part := make([]byte, 4)
		if _, err := io.ReadFull(file, part); err != nil || string(part) != "3456" {
			t.Errorf("a part: %q, %v", part, err)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
		if all, err := io.ReadAll(file); err != nil || !bytes.Equal(all, body) {
			t.Errorf("all: %d bytes, %v", len(all), err)
		}
		file.Close()

		t.Run("what is not as announced is not kept", func(t *testing.T) {
			small := []byte("x")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			broken := errors.New("the line broke")
			for i, c := range []struct {
				name string
				ctx  context.Context
				body io.Reader
				want error
			}{
				{"another digest", t.Context(), bytes.NewReader(small), errDigest},
				{"another digest, long", t.Context(), bytes.NewReader(append(body, 'x')), errDigest},
				{"half", t.Context(), io.MultiReader(bytes.NewReader(body[:s3Part+1]), failing{broken}), broken},
				{"nobody waits for it", ctx, bytes.NewReader(body), context.Canceled},
			} {
				if _, err := a.put(c.ctx, at, 10+i, digest, c.body); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", c.name, err, c.want)
				}
				if _, err := a.open(at, 10+i, digest); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: open: %v", c.name, err)
				}
			}
			if got := listed(t, a, "j/1"); got != "0."+digest {
				t.Errorf("there is %s", got)
			}
		})
		t.Run("names that are none", func(t *testing.T) {
			for _, job := range []string{"../out", "a/../../out", "/out", ""} {
				if _, err := a.put(t.Context(), api.Attempt{Job: job, Number: 1}, 0, digest, bytes.NewReader(body)); err == nil && job != "" {
					t.Errorf("stored for job %q", job)
				}
				if _, err := a.open(api.Attempt{Job: job, Number: 7}, 0, digest); err == nil {
					t.Errorf("opened for job %q", job)
				}
			}
		})
		t.Run("only one attempt is kept", func(t *testing.T) {
			one := []byte("x")
			for number := 1; number <= 3; number++ {
				for index := range 2 {
					if _, err := a.put(t.Context(), api.Attempt{Job: "k", Number: number}, index, hashHex(one), bytes.NewReader(one)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := a.keepOnly(api.Attempt{Job: "k", Number: 2}); err != nil {
				t.Error(err)
			}
			if got := listed(t, a, "k"); got != "2" {
				t.Errorf("kept: %s", got)
			}
			if err := errors.Join(a.keepOnly(api.Attempt{Job: "k"}), a.keepOnly(api.Attempt{Job: "k"}), a.keepOnly(api.Attempt{Job: "nothing", Number: 1})); err != nil {
				t.Error(err)
			}
			if got := listed(t, a, "k"); got != "" {
				t.Errorf("kept: %s", got)
			}
		})
		t.Run("inputs", func(t *testing.T) {
			for _, job := range []string{"a", "b"} {
				if err := errors.Join(a.putInput(t.Context(), job, []byte("1")), a.putInput(t.Context(), job, []byte("2")), a.putInput(t.Context(), job, []byte("2"))); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.sweepInputs(func(job string) bool { return job == "b" }); err != nil {
				t.Error(err)
			}
			if got := listed(t, a, "inputs"); got != "b" {
				t.Errorf("left: %s", got)
			}
			file, err := a.openInput("b", hashHex([]byte("2")))
			if err != nil {
				t.Fatal(err)
			}
			file.Close()
			if err := errors.Join(a.removeInputs("b"), a.removeInputs("b")); err != nil {
				t.Error(err)
			}
		})
		t.Run("removing", func(t *testing.T) {
			if err := errors.Join(a.remove(at, 0, digest), a.remove(at, 0, digest)); err != nil {
				t.Error(err)
			}
			if _, err := a.open(at, 0, digest); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open: %v", err)
			}
			for _, name := range strings.Fields(listed(t, a, ".")) {
				if got := listed(t, a, name); name != "inputs" && name != "1" && got != "" && got != "1" {
					t.Errorf("left in %s: %s", name, got)
				}
			}
		})
	})
}

func TestArtifactsThatCannotBeOpened(t *testing.T) {
	nobody := freeAddress(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for _, where := range []string{
		"gs://bucket", "https://example.com/x", file, "s3://b?unknown=1&region=x",
		"s3://b?region=us-east-1&s3ForcePathStyle=true&endpoint=" + url.QueryEscape("http://"+nobody),
	} {
		if a, err := openArtifacts(t.Context(), where); err == nil {
			a.close()
			t.Errorf("%s: opened", where)
		}
	}
}

// Everything that clients and nodes do with pictures, over both kinds of blobs.
func TestPicturesComeFromWhereTheyAreKept(t *testing.T) {
	eachBlobs(t, func(t *testing.T, where string) {
		w := newWorld(t, func(c *Config) { c.Artifacts = where })
		n := w.node()
		job := w.submit(`{"prompt":"a red circle","n":2,"seed":7}`)
		a := n.assigned()
		n.done(a)
		n.settled(a.Attempt)
		for i, image := range w.job(job.ID).Images {
			want := picture(7 + int64(i))
			got := w.call("GET", image.URL, "", "Authorization", "")
			if got.status != 200 || !bytes.Equal(got.body, want) || got.header.Get("Content-Type") != "image/png" || got.header.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Fatalf("image %d: %d %v", i, got.status, got.header)
			}
			part := w.call("GET", image.URL, "", "Range", "bytes=4-9")
			if part.status != 206 || !bytes.Equal(part.body, want[4:10]) || part.header.Get("Content-Range") != fmt.Sprintf("bytes 4-9/%d", len(want)) {
				t.Errorf("a part: %d %v %q", part.status, part.header, part.body)
			}
			if last := w.call("GET", image.URL, "", "Range", "bytes=-3"); last.status != 206 || !bytes.Equal(last.body, want[len(want)-3:]) {
				t.Errorf("the end: %d %q", last.status, last.body)
			}
			if beyond := w.call("GET", image.URL, "", "Range", "bytes=99999999-"); beyond.status != 416 {
				t.Errorf("beyond the end: %d", beyond.status)
			}
			etag := got.header.Get("ETag")
			if same := w.call("GET", image.URL, "", "If-None-Match", etag); etag != `"`+hashHex(want)+`"` || same.status != 304 {
				t.Errorf("with its ETag %s: %d", etag, same.status)
			}
			if head := w.call("HEAD", image.URL, ""); head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Errorf("head: %d %v", head.status, head.header)
			}
		}
		wrong := n.put(a, 0, picture(1)) // after the end
		if wrong.status != http.StatusConflict {
			t.Errorf("a late image: %d", wrong.status)
		}
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		w.start(func(c *Config) { c.Artifacts = where })
		if again := w.call("GET", w.job(job.ID).Images[0].URL, "", "Authorization", ""); again.status != 200 {
			t.Errorf("after a restart: %d %s", again.status, again.body)
		}
	})
}
