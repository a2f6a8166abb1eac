package coordinator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
)

func TestOnlyACertificateOfOurOwnIsPinned(t *testing.T) {
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: 1}
	own, fingerprint, err := certificateFor(Config{Data: t.TempDir()}, everywhere)
	if err != nil {
		t.Fatal(err)
	}
	if got := pinFor(own, fingerprint); got != fingerprint || len(got) != 64 {
		t.Errorf("our own certificate is pinned as %q, want %q", got, fingerprint)
	}
	if got := pinFor(signedByAnAuthority(t), fingerprint); got != "" {
		t.Errorf("an authority's certificate is pinned as %q", got)
	}
	plain, _, err := certificateFor(Config{Data: t.TempDir(), PlainHTTP: true}, everywhere)
	if err != nil || pinFor(plain, "") != "" {
		t.Errorf("without TLS something is pinned: %v", err)
	}
}

func signedByAnAuthority(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "grid.test"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}}}
}
