package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/artifact/s3test"
	"github.com/easelgrid/easel/internal/ident"
)

func TestArtifacts(t *testing.T) {
	artifacttest.Each(t, func(t *testing.T, where string) {
		a := artifacttest.Open(t, where)
		at := api.Attempt{Job: "j", Number: 1}
		body := bytes.Repeat([]byte("0123456789"), artifact.S3Part/10*2+7) // three parts of an upload
		digest := ident.Digest(body)

		if size, err := a.PutImage(t.Context(), at, 0, digest, bytes.NewReader(body)); err != nil || size != int64(len(body)) {
			t.Fatalf("put: %d, %v", size, err)
		}
		if _, err := a.PutImage(t.Context(), at, 0, digest, bytes.NewReader(body)); err != nil {
			t.Errorf("put again: %v", err)
		}
		file, err := a.OpenImage(at, 0, digest)
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
				{"another digest", t.Context(), bytes.NewReader(small), artifact.ErrDigest},
				{"another digest, long", t.Context(), bytes.NewReader(append(body, 'x')), artifact.ErrDigest},
				{"half", t.Context(), io.MultiReader(bytes.NewReader(body[:artifact.S3Part+1]), iotest.ErrReader(broken)), broken},
				{"nobody waits for it", ctx, bytes.NewReader(body), context.Canceled},
			} {
				if _, err := a.PutImage(c.ctx, at, 10+i, digest, c.body); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", c.name, err, c.want)
				}
				if _, err := a.OpenImage(at, 10+i, digest); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: open: %v", c.name, err)
				}
			}
			if got := a.Listed(t, "j/1"); got != "0."+digest {
				t.Errorf("there is %s", got)
			}
		})
		t.Run("names that are none", func(t *testing.T) {
			for _, job := range []string{"../out", "a/../../out", "/out", ""} {
				if _, err := a.PutImage(t.Context(), api.Attempt{Job: job, Number: 1}, 0, digest, bytes.NewReader(body)); err == nil && job != "" {
					t.Errorf("stored for job %q", job)
				}
				if _, err := a.OpenImage(api.Attempt{Job: job, Number: 7}, 0, digest); err == nil {
					t.Errorf("opened for job %q", job)
				}
			}
		})
		t.Run("only one attempt is kept", func(t *testing.T) {
			one := []byte("x")
			for number := 1; number <= 3; number++ {
				for index := range 2 {
					if _, err := a.PutImage(t.Context(), api.Attempt{Job: "k", Number: number}, index, ident.Digest(one), bytes.NewReader(one)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := a.KeepOnly(api.Attempt{Job: "k", Number: 2}); err != nil {
				t.Error(err)
			}
			if got := a.Listed(t, "k"); got != "2" {
				t.Errorf("kept: %s", got)
			}
			if err := errors.Join(a.KeepOnly(api.Attempt{Job: "k"}), a.KeepOnly(api.Attempt{Job: "k"}), a.KeepOnly(api.Attempt{Job: "nothing", Number: 1})); err != nil {
				t.Error(err)
			}
			if got := a.Listed(t, "k"); got != "" {
				t.Errorf("kept: %s", got)
			}
		})
		t.Run("inputs", func(t *testing.T) {
			for _, job := range []string{"a", "b"} {
				if err := errors.Join(a.PutInput(t.Context(), job, []byte("1")), a.PutInput(t.Context(), job, []byte("2")), a.PutInput(t.Context(), job, []byte("2"))); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.SweepInputs(func(job string) bool { return job == "b" }); err != nil {
				t.Error(err)
			}
			if got := a.Listed(t, "inputs"); got != "b" {
				t.Errorf("left: %s", got)
			}
			file, err := a.OpenInput("b", ident.Digest([]byte("2")))
			if err != nil {
				t.Fatal(err)
			}
			file.Close()
			if err := errors.Join(a.RemoveInputs("b"), a.RemoveInputs("b")); err != nil {
				t.Error(err)
			}
		})
		t.Run("removing", func(t *testing.T) {
			if err := errors.Join(a.RemoveImage(at, 0, digest), a.RemoveImage(at, 0, digest)); err != nil {
				t.Error(err)
			}
			if _, err := a.OpenImage(at, 0, digest); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open: %v", err)
			}
			for _, name := range strings.Fields(a.Listed(t, ".")) {
				if got := a.Listed(t, name); name != "inputs" && name != "1" && got != "" && got != "1" {
					t.Errorf("left in %s: %s", name, got)
				}
			}
		})
	})
}

func TestArtifactsThatCannotBeOpened(t *testing.T) {
	nobody := s3test.FreeAddress(t)
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
		if a, err := artifact.Open(t.Context(), where); err == nil {
			a.Close()
			t.Errorf("%s: opened", where)
		}
	}
}

func TestArtifactsKeepTheirDirectory(t *testing.T) {
	dir := t.TempDir()
	a := artifacttest.Open(t, filepath.Join(dir, "artifacts"))
	body := artifacttest.Picture(1)
	for _, job := range []string{"../out", "a/../../out"} {
		if _, err := a.PutImage(t.Context(), api.Attempt{Job: job, Number: 1}, 0, ident.Digest(body), bytes.NewReader(body)); err == nil {
			t.Errorf("stored for job %q", job)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("written outside")
	}
}
