package datadir

import (
	"errors"
	"os"
	"runtime"
	"testing"
)

func TestDirectoryIsOfOneAtATime(t *testing.T) {
	path := t.TempDir()
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatalf("after the first closed it: %v", err)
	}
	again.Close()
	if _, err := Open(""); err == nil {
		t.Error("no directory was opened")
	}
}

func TestSecretsStay(t *testing.T) {
	d := open(t)
	made, err := d.Secret("url.secret")
	if err != nil || len(made) < 40 {
		t.Fatalf("%d bytes, %v", len(made), err)
	}
	if again, err := d.Secret("url.secret"); err != nil || string(again) != string(made) {
		t.Errorf("the second time it is another: %v", err)
	}
	if other, err := d.Secret("webhook.secret"); err != nil || string(other) == string(made) {
		t.Errorf("another one is the same: %v", err)
	}
	if info, err := os.Stat(d.Path("url.secret")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text, err := d.Read("missing"); text != "" || err != nil {
		t.Errorf("a missing file: %q, %v", text, err)
	}
}

func TestAnnouncementIsWithdrawn(t *testing.T) {
	d := open(t)
	withdraw, err := d.Announce("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if url, _ := d.Read(addressFile); url != "http://127.0.0.1:1" {
		t.Errorf("announced %q", url)
	}
	if _, err := NewJoinToken(d.Path("")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a key: %v", err)
	}
	withdraw()
	if url, _ := d.Read(addressFile); url != "" {
		t.Errorf("still announced: %q", url)
	}
}
