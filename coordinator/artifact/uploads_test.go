package artifact_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/internal/ident"
)

const valid = 24 * time.Hour

func uploads(t *testing.T) artifact.Uploads {
	return artifact.NewUploads(artifacttest.Open(t, ""), artifact.NewLinks([]byte("secret"), valid))
}

func TestUploadsOfAKeyAreLimited(t *testing.T) {
	u := uploads(t)
	picture := artifacttest.Picture(1)
	for i := range artifact.MaxUploads {
		if _, err := u.Keep(t.Context(), "me", picture, time.Now()); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
	if _, err := u.Keep(t.Context(), "me", picture, time.Now()); api.AsError(err, "").Code != api.CodeQuotaExceeded {
		t.Errorf("one more: %v", err)
	}
	if _, err := u.Keep(t.Context(), "another", picture, time.Now()); err != nil {
		t.Errorf("another key's: %v", err)
	}
}

func TestExpiredUploadIsNotOpened(t *testing.T) {
	u, now := uploads(t), time.Now()
	link, err := u.Keep(t.Context(), "me", artifacttest.Picture(1), now)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	file := at.Path[strings.LastIndex(at.Path, "/")+1:]
	if _, err := u.Open(file, at.Query(), now.Add(valid+time.Second)); api.AsError(err, "").Code != api.CodeNotFound {
		t.Errorf("after its end: %v", err)
	}
	body, err := u.Open(file, at.Query(), now)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if n, err := u.Sweep(t.Context(), now.Add(valid-time.Second)); n != 0 || err != nil {
		t.Errorf("swept before its end: %d, %v", n, err)
	}
	if n, err := u.Sweep(t.Context(), now.Add(valid+time.Second)); n != 1 || err != nil {
		t.Errorf("swept after its end: %d, %v", n, err)
	}
	if _, err := u.Open(file, at.Query(), now); api.AsError(err, "").Code != api.CodeNotFound {
		t.Errorf("after the sweep: %v", err)
	}
}

// A file that is being written is swept when the picture would have expired, which is what a sudden end left.
func TestUploadThatComesInIsNotSwept(t *testing.T) {
	s, now := artifacttest.Open(t, ""), time.Now()
	u := artifact.NewUploads(s, artifact.NewLinks([]byte("secret"), valid))
	s.PutUpload(t, "me", ident.Timed(now.Add(time.Hour))+".0123456789abcdef.part", artifacttest.Picture(1))
	if n, err := u.Sweep(t.Context(), now); err != nil || n != 0 {
		t.Errorf("swept early: %d, %v", n, err)
	}
	if n, err := u.Sweep(t.Context(), now.Add(2*time.Hour)); err != nil || n != 1 {
		t.Errorf("swept: %d, %v", n, err)
	}
}

func TestUploadThatBreaksOffLeavesNothing(t *testing.T) {
	s := artifacttest.Open(t, "")
	at := api.Attempt{Job: "j", Number: 1}
	if _, err := s.PutImage(t.Context(), at, 0, "digest", iotest.ErrReader(errors.New("broken off"))); err == nil {
		t.Fatal("stored")
	}
	if got := s.Listed(t, "j/1"); got != "" {
		t.Errorf("left: %s", got)
	}
}
