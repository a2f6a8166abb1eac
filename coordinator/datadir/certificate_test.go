package datadir

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
	own, err := open(t).TLS("", "", false, everywhere)
	if err != nil {
		t.Fatal(err)
	}
	if got := own.Pin(); got != own.Fingerprint || len(got) != 64 {
		t.Errorf("our own certificate is pinned as %q, want %q", got, own.Fingerprint)
	}
	if got := (TLS{signedByAnAuthority(t), own.Fingerprint}).Pin(); got != "" {
		t.Errorf("an authority's certificate is pinned as %q", got)
	}
	for name, addr := range map[string]*net.TCPAddr{"plain": everywhere, "loopback": {IP: net.IPv4(127, 0, 0, 1)}} {
		plain, err := open(t).TLS("", "", name == "plain", addr)
		if err != nil || plain.Config != nil || plain.Pin() != "" {
			t.Errorf("%s: without TLS something is pinned: %v", name, err)
		}
	}
}

func open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
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
