// Package s3test runs real S3 servers for tests.
package s3test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// The credentials of the servers below.
const (
	s3Key    = "easel"
	s3Secret = "a secret of the test"
)

// Each runs a test with the address of an empty bucket at a real S3 server: the one of rclone,
// which checks signatures and runs in this process, and, where EASEL_VERSITYGW names one, a Versity S3
// gateway, which keeps objects as files:
//
//	export EASEL_VERSITYGW=$(scripts/s3server)
func Each(t *testing.T, test func(t *testing.T, where string)) {
	t.Setenv("AWS_ACCESS_KEY_ID", s3Key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
	t.Run("s3", func(t *testing.T) { test(t, rcloneBucket(t)) })
	if program := os.Getenv("EASEL_VERSITYGW"); program != "" {
		t.Run("versitygw", func(t *testing.T) { test(t, versityBucket(t, program)) })
	}
}

// bucketAddress is where to find the bucket of a server on loopback.
func bucketAddress(server string) string {
	return "s3://pictures?" + url.Values{
		"endpoint": {server}, "region": {"us-east-1"}, "s3ForcePathStyle": {"true"}, "prefix": {"easel/"},
	}.Encode()
}

func rcloneBucket(t *testing.T) string {
	t.Helper()
	backend := noDelimiter{s3mem.New()}
	if err := backend.CreateBucket(t.Context(), "pictures"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithV4Auth(map[string]string{s3Key: s3Secret})).Server())
	t.Cleanup(server.Close)
	return bucketAddress(server.URL)
}

// noDelimiter mends that server's listings: it takes an empty delimiter for one, where S3 has none.
type noDelimiter struct{ *s3mem.Backend }

func (b noDelimiter) ListBucket(ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	mended := *prefix
	mended.HasDelimiter = mended.Delimiter != ""
	return b.Backend.ListBucket(ctx, name, &mended, page)
}

func versityBucket(t *testing.T, program string) string {
	t.Helper()
	dir, at, log := t.TempDir(), FreeAddress(t), new(bytes.Buffer)
	for _, name := range []string{"data/pictures", "sidecar"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.Command(program, "--access", s3Key, "--secret", s3Secret, "--port", at, "--quiet",
		"posix", "--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "data"))
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Kill()
		<-ended
	})
	for { // until it answers at all
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the S3 server ended: %v\n%s", err, log)
		default:
		}
		if response, err := http.Get("http://" + at + "/"); err == nil {
			response.Body.Close()
			break
		}
	}
	return bucketAddress("http://" + at)
}

// FreeAddress is one that nobody listened on a moment ago.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
