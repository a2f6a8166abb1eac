package coordinator_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/coordtest"
	"github.com/easelgrid/easel/coordinator/datadir"
	"github.com/easelgrid/easel/internal/ident"
)

func TestJoinWithTLS(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.Listen = "0.0.0.0:0" })
	if err := w.NewNode().Join(w.Token); err != nil {
		t.Fatal(err)
	}
}

func TestPlainHTTPWhenAskedFor(t *testing.T) {
	w := coordtest.New(t, func(c *coordinator.Config) { c.Listen, c.PlainHTTP = "0.0.0.0:0", true })
	if w.Where.Fingerprint != "" || !strings.HasPrefix(w.Where.URL, "http://127.0.0.1:") {
		t.Errorf("listening: %+v", w.Where)
	}
	w.Node()
}

func TestNewJoinToken(t *testing.T) {
	for name, listen := range map[string]string{"loopback": "127.0.0.1:0", "with TLS": "0.0.0.0:0"} {
		t.Run(name, func(t *testing.T) {
			w := coordtest.New(t, func(c *coordinator.Config) { c.Listen = listen })
			token, err := datadir.NewJoinToken(w.Dir)
			if err != nil || !strings.HasPrefix(token, "easel-join-1.") {
				t.Fatalf("token %q: %v", token, err)
			}
			if w.Where.Fingerprint != "" && !strings.HasSuffix(token, "."+w.Where.Fingerprint) {
				t.Errorf("the token does not pin the certificate: %s", token)
			}
			if (w.Where.Fingerprint != "") != strings.HasPrefix(w.Where.URL, "https:") || (name == "with TLS") != (w.Where.Fingerprint != "") {
				t.Errorf("listening: %+v", w.Where)
			}
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := datadir.NewJoinToken(w.Dir); !errors.Is(err, datadir.ErrNotRunning) {
				t.Errorf("stopped: %v", err)
			}
		})
	}
}

func TestDataDirectoryInUse(t *testing.T) {
	w := coordtest.New(t)
	err := coordinator.Run(t.Context(), coordinator.Config{Data: w.Dir, Listen: "127.0.0.1:0"})
	if !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("got %v, want datadir.ErrInUse", err)
	}
}

func TestUnusableAddress(t *testing.T) {
	if err := coordinator.Run(t.Context(), coordinator.Config{Data: t.TempDir(), Listen: "256.0.0.1:1"}); err == nil {
		t.Error("no error")
	}
}

func TestGeneratedCertificateIsKept(t *testing.T) {
	everywhere := func(c *coordinator.Config) { c.Listen = "0.0.0.0:0" }
	w := coordtest.New(t, everywhere)
	var prints []string
	for range 2 {
		prints = append(prints, w.Where.Fingerprint)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		response, err := client.Get(w.Where.URL + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		client.CloseIdleConnections()
		if got := ident.Digest(response.TLS.PeerCertificates[0].Raw); got != w.Where.Fingerprint {
			t.Errorf("serves %s, reports %s", got, w.Where.Fingerprint)
		}
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		w.Start(everywhere)
	}
	if prints[0] != prints[1] {
		t.Error("the second start made another certificate")
	}
	if info, err := os.Stat(filepath.Join(w.Dir, "key.pem")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("key.pem: %v %v", info.Mode(), err)
	}
}
