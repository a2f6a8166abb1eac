package artifact

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/easelgrid/easel/internal/ident"
)

// S3Part is the size of a part of an upload.
const S3Part = s3Part

// MaxUploads is how many pictures of one key are kept.
const MaxUploads = maxUploads

// Listed is what is directly below a name.
func (s *Store) Listed(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for name, err := range s.blobs.list(dir) {
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

// PutUpload stores a file beside an owner's uploaded pictures.
func (s *Store) PutUpload(t *testing.T, owner, name string, body []byte) {
	t.Helper()
	if _, err := s.store(t.Context(), uploadName(ownerOf(owner), name), ident.Digest(body), bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}
