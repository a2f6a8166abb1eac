package datadir

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
	"time"

	"github.com/easelgrid/easel/internal/pin"
)

// TLS is how a coordinator serves HTTPS. Its zero value is that it serves plain HTTP.
type TLS struct {
	Config      *tls.Config // nil for plain HTTP
	Fingerprint string      // SHA-256 of the certificate in lower-case hex
}

// TLS loads the given PEM files. Without any, addresses off loopback get a certificate that is made once and
// kept in the directory, and loopback gets plain HTTP; plain turns that into plain HTTP everywhere.
func (d *Dir) TLS(certFile, keyFile string, plain bool, addr net.Addr) (TLS, error) {
	given := certFile != "" || keyFile != ""
	tcp, ok := addr.(*net.TCPAddr)
	if !given && (plain || ok && tcp.IP.IsLoopback()) {
		return TLS{}, nil
	}
	if !given {
		certFile, keyFile = d.Path(certificateFile), d.Path(certificateKeyFile)
		if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
			if err := d.makeCertificate(); err != nil {
				return TLS{}, fmt.Errorf("make certificate: %w", err)
			}
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return TLS{}, fmt.Errorf("load certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return TLS{config, pin.Fingerprint(pair.Certificate[0])}, nil
}

// The files of the certificate that a coordinator makes itself.
const (
	certificateFile    = "cert.pem"
	certificateKeyFile = "key.pem"
)

// Pin is the fingerprint that join tokens carry: none for a certificate that an authority signed, because
// that one is renewed, and nodes that pinned the old one would stay away for good.
func (t TLS) Pin() string {
	if t.Config == nil {
		return ""
	}
	leaf := t.Config.Certificates[0].Leaf
	if !bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		return ""
	}
	return t.Fingerprint
}

// makeCertificate makes a self-signed certificate for this machine's names. Nodes trust it by its
// fingerprint and not by its names, so it is valid for long.
func (d *Dir) makeCertificate() error {
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
	if err := d.Write(certificateKeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))); err != nil {
		return err
	}
	return d.Write(certificateFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
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
