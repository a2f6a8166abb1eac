// Package artifacttest opens artifact stores for tests, in a directory and at real S3 servers.
package artifacttest

import (
	"bytes"
	"cmp"
	"image"
	"image/png"
	"path/filepath"
	"testing"

	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/artifact/s3test"
)

// Each runs a test with every kind of store, with the address to open it by.
func Each(t *testing.T, test func(t *testing.T, where string)) {
	t.Run("directory", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "artifacts")) })
	s3test.Each(t, test)
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
