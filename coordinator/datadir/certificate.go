package coordinator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateFor decides on TLS: not on loopback unless a certificate is given, and not when plain
// HTTP is asked for. It returns nil without TLS, else also the certificate's SHA-256.
func certificateFor(c Config, addr net.Addr) (*tls.Config, string, error) {
	given := c.Certificate != "" || c.Key != ""
	tcp, ok := addr.(*net.TCPAddr)
	if !given && (c.PlainHTTP || ok && tcp.IP.IsLoopback()) {
		return nil, "", nil
	}
	certFile, keyFile := c.Certificate, c.Key
	if !given {
		certFile, keyFile = filepath.Join(c.Data, "cert.pem"), filepath.Join(c.Data, "key.pem")
		if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
			if err := makeCertificate(certFile, keyFile); err != nil {
				return nil, "", fmt.Errorf("make certificate: %w", err)
			}
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, "", fmt.Errorf("load certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return config, hashHex(pair.Certificate[0]), nil
}

// pinFor is the fingerprint that join tokens carry: none for a certificate that an authority signed,
// because that one is renewed, and nodes that pinned the old one would stay away for good.
func pinFor(c *tls.Config, fingerprint string) string {
	if c == nil {
		return ""
	}
	leaf := c.Certificates[0].Leaf
	if !bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		return ""
	}
	return fingerprint
}

// makeCertificate makes a self-signed certificate for this machine's names. Nodes trust it by its
// fingerprint and not by its names, so it is valid for long.
func makeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "easel coordinator"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: localAddresses(),
	}
	if host, err := os.Hostname(); err == nil {
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a certificate without its key would be taken for a finished pair.
	if err := writeSecret(keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))); err != nil {
		return err
	}
	return writeSecret(certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func localAddresses() []net.IP {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ips
	}
	for _, addr := range addrs {
		if n, ok := addr.(*net.IPNet); ok && !n.IP.IsLoopback() {
			ips = append(ips, n.IP)
		}
	}
	return ips
}
