package builtin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

// cached lays the shipped model out as Hugging Face's cache does: the snapshot holds links to the blobs.
func cached(t *testing.T) (snapshot string) {
	t.Helper()
	repository := filepath.Join(t.TempDir(), "models--easel--shapes")
	snapshot = filepath.Join(repository, "snapshots", "0123abcd")
	blobs := filepath.Join(repository, "blobs")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := fs.WalkDir(Shipped(), ".", func(path string, d fs.DirEntry, err error) error {
		link := filepath.Join(snapshot, filepath.FromSlash(path))
		if err != nil || d.IsDir() {
			return os.MkdirAll(link, 0o700)
		}
		body, err := fs.ReadFile(Shipped(), path)
		if err != nil {
			return err
		}
		n++
		blob := filepath.Join(blobs, fmt.Sprint(n))
		if err := os.WriteFile(blob, body, 0o600); err != nil {
			return err
		}
		target, err := filepath.Rel(filepath.Dir(link), blob)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, link); err != nil && runtime.GOOS == "windows" {
			t.Skipf("this account may not make symbolic links: %v", err)
		} else if err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestSnapshotInACacheHasTheDigestOfItsFiles(t *testing.T) {
	r, err := New(Options{ModelDirs: []string{cached(t)}})
	if err != nil {
		t.Fatal(err)
	}
	shipped, snapshot := r.info.Models[0], r.info.Models[1]
	if snapshot.Digest != shipped.Digest {
		t.Errorf("the snapshot has the digest %s, the model it is of %s", snapshot.Digest, shipped.Digest)
	}
	_, m, err := made(t, r, func(spec *api.ImageSpec) { spec.Model = snapshot.Name })
	if err != nil || m.ModelDigest != shipped.Digest {
		t.Errorf("its receipt names %s, %v", m.ModelDigest, err)
	}
}

func TestModelWithALinkOutOfItsStoreIsRefused(t *testing.T) {
	dir := cached(t)
	link := filepath.Join(dir, "model_index.json")
	outside := filepath.Join(t.TempDir(), "model_index.json")
	for _, err := range []error{os.WriteFile(outside, []byte("{}"), 0o600), os.Remove(link), os.Symlink(outside, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := New(Options{ModelDirs: []string{dir}})
	if err == nil || !strings.Contains(err.Error(), "model_index.json: the symbolic link leads to") {
		t.Errorf("got %v", err)
	}
}
