package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// A Signer signs reports. Every API key has a secret of its own, so that nobody who can check
// signatures can make those of another key.
type Signer struct{ secret []byte }

// NewSigner makes the keys' secrets of one.
func NewSigner(secret []byte) Signer { return Signer{secret} }

// Secret is that of a key, by the key's name.
func (s Signer) Secret(owner string) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "easel webhook secret 1\n%s", owner)
	return "whsec_" + hex.EncodeToString(mac.Sum(nil))
}

// header is the value of Easel-Signature.
func (s Signer) header(owner string, now time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.Secret(owner)))
	fmt.Fprintf(mac, "%d.", now.Unix())
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%x", now.Unix(), mac.Sum(nil))
}
