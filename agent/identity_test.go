package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

// certificate makes a self-signed one and its fingerprint.
func certificate(t *testing.T) (*tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:])
}

func TestPinnedCertificate(t *testing.T) {
	cert, fingerprint := certificate(t)
	c := newCoordinator(t, func(c *fakeCoordinator) { c.tls = cert })
	data := t.TempDir()
	cfg := config(t, c.url(), data)
	cfg.JoinToken = "easel-join-1.secret." + fingerprint
	r := start(t, cfg)
	p := receive(t, c.sessions, "registration over TLS")
	p.assign(assignment("job-a", "a red circle"))
	p.settle(p.done().Attempt)
	emptied(t, p, data)
	r.stop()

	cfg.JoinToken = "" // the fingerprint is remembered
	r = start(t, cfg)
	receive(t, c.sessions, "registration without a token")
	r.stop()

	other, _ := certificate(t)
	impostor := newCoordinator(t, func(c *fakeCoordinator) { c.tls = other })
	cfg.Coordinator = impostor.url()
	if err := start(t, cfg).wait(); !errors.Is(err, ErrCertificate) {
		t.Errorf("another certificate: got %v, want ErrCertificate", err)
	}
	cfg.Coordinator = "http://" + impostor.address
	if err := start(t, cfg).wait(); !errors.Is(err, ErrCertificate) {
		t.Errorf("no certificate: got %v, want ErrCertificate", err)
	}
}

func TestMembershipOfAnotherCoordinator(t *testing.T) {
	c, r, p, data := join(t)
	p.heartbeat("heartbeat", func(api.Heartbeat) bool { return true })
	r.stop()
	tokens := make(chan string, 8)
	c.set(func() {
		c.refuse = func(reg api.Register) *api.Error {
			tokens <- reg.JoinToken
			if reg.JoinToken == "" {
				return api.Errorf(api.CodeUnauthorized, "unknown key") // the coordinator was set up anew
			}
			return nil
		}
	})
	r = start(t, config(t, c.url(), data))
	receive(t, c.sessions, "registration with the token after one without")
	first, second := receive(t, tokens, "token"), receive(t, tokens, "second token")
	if first != "" || second == "" {
		t.Errorf("tokens shown: %q, then %q", first, second)
	}
	r.stop()
}
