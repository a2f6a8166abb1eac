// Package artifacttest opens artifact stores for tests, over a directory and over a real S3 server.
package artifacttest

import (
	"bytes"
	"cmp"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/coordinator/artifact"
)

// S3 starts a real S3 server on a fresh directory, with one bucket, and returns the bucket's
// address. It needs versitygw in the PATH, or its name in EASEL_VERSITYGW:
//
//	export EASEL_VERSITYGW=$(scripts/s3server)
func S3(t *testing.T) string {
	t.Helper()
	program := os.Getenv("EASEL_VERSITYGW")
	if program == "" {
		program = "versitygw"
	}
	program, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("there is no versitygw to test with: see scripts/s3server")
	}
	if err != nil {
		t.Skip("not checked: there is no versitygw to test with, see scripts/s3server")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "easel")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a secret of the test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data", "pictures"), 0o700); err != nil {
		t.Fatal(err)
	}
	at := FreeAddress(t)
	sidecar := filepath.Join(dir, "sidecar")
	if err := os.Mkdir(sidecar, 0o700); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	server := exec.Command(program, "--access", "easel", "--secret", "a secret of the test", "--port", at, "--quiet",
		"posix", "--sidecar", sidecar, filepath.Join(dir, "data"))
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
	return "s3://pictures?" + url.Values{
		"endpoint": {"http://" + at}, "region": {"us-east-1"}, "s3ForcePathStyle": {"true"}, "prefix": {"easel/"},
	}.Encode()
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

// Each runs a test over both kinds of blobs, with the address to open them by.
func Each(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("directory", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "artifacts")) })
	t.Run("s3", func(t *testing.T) { test(t, S3(t)) })
}

// Open opens what is at an address, for the length of the test; "" is a fresh directory.
func Open(t testing.TB, where string) *artifact.Store {
	t.Helper()
	s, err := artifact.Open(t.Context(), cmp.Or(where, filepath.Join(t.TempDir(), "artifacts")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Picture is a PNG that differs by seed.
func Picture(seed int64) []byte {
	var b bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	img.Pix[0], img.Pix[1] = byte(seed), byte(seed>>8)
	png.Encode(&b, img)
	return b.Bytes()
}
