package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/easelgrid/easel/coordinator/artifact/s3test"
	"github.com/easelgrid/easel/internal/ident"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// What a failed upload sent would be paid for until somebody looked: parts of an upload that was never
// completed are in no listing of objects.
func TestS3UploadThatFailsLeavesNoParts(t *testing.T) {
	s3test.Each(t, func(t *testing.T, where string) {
		bucket, err := openS3(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		defer bucket.close()
		body := bytes.Repeat([]byte("0123456789"), s3Part/10*2+7)
		broken := errors.New("the line broke")
		canceled, cancel := context.WithCancel(t.Context())
		for _, test := range []struct {
			name string
			ctx  context.Context
			body io.Reader
			want error
		}{
			{"another digest", t.Context(), bytes.NewReader(append(body, 'x')), ErrDigest},
			{"the line breaks", t.Context(), io.MultiReader(bytes.NewReader(body[:s3Part+1]), iotest.ErrReader(broken)), broken},
			{"the line ends", t.Context(), io.MultiReader(bytes.NewReader(body[:s3Part+1]), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
			{"nobody waits any more", canceled, io.MultiReader(bytes.NewReader(body[:s3Part+1]), calling(cancel), bytes.NewReader(body[s3Part+1:])), context.Canceled},
		} {
			if _, err := bucket.put(test.ctx, "j/1/0."+ident.Digest(body), ident.Digest(body), test.body); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
			for upload := range bucket.client.ListIncompleteUploads(t.Context(), bucket.bucket, "", true) {
				t.Errorf("%s: left %s, %v", test.name, upload.Key, upload.Err)
			}
		}
	})
}

// calling calls a function when it is read, and then has no more.
type calling func()

func (c calling) Read([]byte) (int, error) { c(); return 0, io.EOF }

// stored is a fake bucket's objects, by path.
func stored(path, body string) *sync.Map {
	var objects sync.Map
	objects.Store(path, body)
	return &objects
}

// fakeBucket answers what a reader and an uploader ask, and counts the requests. Signatures and the
// rest of S3 are tested with a real server.
func fakeBucket(t *testing.T, objects *sync.Map) (*s3, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, ok := objects.Load(r.URL.Path)
		if !ok {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"`+ident.Digest([]byte(body.(string)))+`"`)
		http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(body.(string)))
	}))
	t.Cleanup(server.Close)
	a, err := parseS3("s3://pictures?region=us-east-1&anonymous=true&prefix=easel/&endpoint=" + url.QueryEscape(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s, &requests
}

func TestS3Reader(t *testing.T) {
	for _, test := range []struct {
		name     string
		read     func(io.ReadSeeker) (string, error)
		want     string
		requests int32 // with the one that opens
	}{
		{"all of it", func(r io.ReadSeeker) (string, error) { b, err := io.ReadAll(r); return string(b), err }, "0123456789", 1},
		{"its length first", func(r io.ReadSeeker) (string, error) {
			size, err1 := r.Seek(0, io.SeekEnd)
			_, err2 := r.Seek(0, io.SeekStart)
			b, err3 := io.ReadAll(r)
			return fmt.Sprint(size, string(b)), errors.Join(err1, err2, err3)
		}, "10 0123456789", 1},
		{"a part", func(r io.ReadSeeker) (string, error) {
			_, err1 := r.Seek(4, io.SeekStart)
			b, err2 := io.ReadAll(io.LimitReader(r, 3))
			return string(b), errors.Join(err1, err2)
		}, "456", 2},
		{"on from where it is", func(r io.ReadSeeker) (string, error) {
			a, err1 := io.ReadAll(io.LimitReader(r, 3))
			at, err2 := r.Seek(2, io.SeekCurrent)
			b, err3 := io.ReadAll(r)
			return fmt.Sprint(string(a), at, string(b)), errors.Join(err1, err2, err3)
		}, "012 5 56789", 2},
		{"behind the end", func(r io.ReadSeeker) (string, error) {
			_, err1 := r.Seek(10, io.SeekEnd)
			b, err2 := io.ReadAll(r)
			return string(b), errors.Join(err1, err2)
		}, "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, requests := fakeBucket(t, stored("/pictures/easel/a/b", "0123456789"))
			r, err := s.open("a/b")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := test.read(r); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(test.want, " ", "") || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
			if got := requests.Load(); got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
			if _, err := r.Seek(-1, io.SeekStart); err == nil {
				t.Error("a seek before the start succeeded")
			}
		})
	}
}

func TestS3ReaderOfNothing(t *testing.T) {
	s, _ := fakeBucket(t, new(sync.Map))
	if _, err := s.open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	if err := s.remove("a"); err != nil {
		t.Errorf("remove: %v", err)
	}
}

// An object that was replaced while it was read does not come as a mixture of both.
func TestS3ReaderKeepsToOneObject(t *testing.T) {
	objects := stored("/pictures/easel/a", "0123456789")
	s, _ := fakeBucket(t, objects)
	r, err := s.open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	objects.Store("/pictures/easel/a", "abcdefghij")
	if _, err := r.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err == nil {
		t.Errorf("read %q of another object", got)
	}
}

func TestS3SmallUploadWithAnotherDigestIsNotSent(t *testing.T) {
	s, requests := fakeBucket(t, new(sync.Map))
	if _, err := s.put(t.Context(), "a", ident.Digest([]byte("x")), strings.NewReader("y")); !errors.Is(err, ErrDigest) || requests.Load() != 0 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// silent is a bucket that takes every request and never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Nothing waits for ever for a bucket that hangs.
func TestS3WithoutAnAnswer(t *testing.T) {
	client, err := minio.NewCore("s3.example.com", &minio.Options{
		Creds: credentials.NewStaticV4("key", "secret", ""), Region: "us-east-1", Transport: silent{}, MaxRetries: s3Attempts,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &s3{client: client, bucket: "pictures", rest: func() {}}
	large := bytes.Repeat([]byte("x"), s3Part+1)
	for _, test := range []struct {
		name  string
		do    func(context.Context) error
		limit time.Duration
	}{
		{"is it there", s.reachable, s3Time},
		{"put", func(ctx context.Context) error {
			_, err := s.put(ctx, "a", ident.Digest(nil), strings.NewReader(""))
			return err
		}, s3PartTime},
		{"put in parts", func(ctx context.Context) error {
			_, err := s.put(ctx, "a", ident.Digest(large), bytes.NewReader(large))
			return err
		}, s3PartTime},
		{"open", func(context.Context) error { _, err := s.open("a"); return err }, s3Transfer},
		{"remove", func(context.Context) error { return s.remove("a") }, s3Time},
		{"remove all", func(context.Context) error { return s.removeAll("a") }, s3Time},
		{"list", func(context.Context) error {
			for _, err := range s.list("a") {
				return err
			}
			return nil
		}, s3Time},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			if err, took := test.do(t.Context()), time.Since(start); err == nil || took > test.limit {
				t.Errorf("%s: %v after %v", test.name, err, took)
			}
		})
	}
}
