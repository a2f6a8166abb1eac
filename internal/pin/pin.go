// Package pin owns what it means to trust one certificate: not a name, not an authority, but the
// certificate with a known SHA-256.
package pin

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrMismatch is the error of a handshake in which the server shows another certificate.
var ErrMismatch = errors.New("the server's certificate does not match the pinned fingerprint")

// Fingerprint is the SHA-256 of a certificate in DER form: 64 digits of lower-case hex.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// TLS returns a client's configuration that trusts exactly the certificate with that fingerprint, on
// every connection, resumed ones included. A fingerprint that is none, such as "", trusts nothing.
func TLS(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The pin takes the place of names and authorities, which are not looked at.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return ErrMismatch
			}
			if got := Fingerprint(state.PeerCertificates[0].Raw); got != fingerprint {
				return fmt.Errorf("%w: got %s, want %s", ErrMismatch, got, fingerprint)
			}
			return nil
		},
	}
}
