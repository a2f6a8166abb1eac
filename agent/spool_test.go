package agent

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/easelgrid/easel/api"
)

var discard = slog.New(slog.DiscardHandler)

func TestSpoolAfterARestart(t *testing.T) {
	s, err := openSpool(t.TempDir(), discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.create(assignment("interrupted", "a red circle")); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"empty-1": "", "garbage-1": "{", "moved-1": `{"stage":"running","assign":{"job":"other","attempt":1}}`,
		"incomplete-1": `{"stage":"done","assign":{"job":"incomplete","attempt":1}}`,
	} {
		dir := filepath.Join(s.dir, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, recordName), []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // what was found failed the first time must be so the second time
		entries, err := s.load()
		if err != nil || len(entries) != 1 {
			t.Fatalf("got %d entries, %v, want the interrupted one", len(entries), err)
		}
		if m := entries[0].outcome(); m == nil || m.Failed == nil || m.Failed.Error.Code != api.CodeNodeStopped {
			t.Errorf("outcome: %+v", m)
		}
	}
	if left, _ := os.ReadDir(s.dir); len(left) != 1 {
		t.Errorf("%d directories are left, want 1", len(left))
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"stage":"running","assign":{"job":"a","attempt":1}}`))
	f.Add([]byte(`{"stage":"failed","assign":{"job":"a","attempt":1},"error":{"code":"x","message":"y"}}`))
	f.Add([]byte(`{"stage":"done","assign":{"job":"a","attempt":1},"delivered":true,"receipt":{},"images":[{"name":"../x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRecord(body)
		if err != nil {
			return
		}
		if m := r.outcome(); m == nil && r.Stage == stageFailed {
			t.Error("a failure without a message")
		}
		for _, image := range r.Images {
			if !filepath.IsLocal(image.Name) || strings.ContainsRune(image.Name, filepath.Separator) {
				t.Errorf("an image outside its directory: %q", image.Name)
			}
		}
	})
}
