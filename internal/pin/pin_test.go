package pin_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/easelgrid/easel/internal/pin"
)

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "here")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that must fail
	server.StartTLS()
	defer server.Close()
	right := pin.Fingerprint(server.Certificate().Raw)
	if len(right) != 64 || right != strings.ToLower(right) {
		t.Fatalf("fingerprint %s", right)
	}
	for _, test := range []struct {
		name, fingerprint string
		trusted           bool
	}{
		{"the certificate", right, true},
		{"another one", strings.Repeat("0", 64), false},
		{"upper case", strings.ToUpper(right), false},
		{"a part of it", right[:32], false},
		{"none", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := pin.TLS(test.fingerprint)
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for try := range 2 { // the second connection is resumed
				transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
				response, err := (&http.Client{Transport: transport}).Get(server.URL)
				if (err == nil) != test.trusted || err != nil && !errors.Is(err, pin.ErrMismatch) {
					t.Fatalf("connection %d: %v", try, err)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	// The SHA-256 of "abc", from FIPS 180-4.
	if got := pin.Fingerprint([]byte("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}
