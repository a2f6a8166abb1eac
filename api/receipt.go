package api

import (
	"crypto/ed25519"
	"encoding/json"
)

// signedBytes is what a receipt's signature covers: a fixed prefix, so that no other signature of
// the same key can pass for a receipt, and the receipt's JSON without its signature.
func (r Receipt) signedBytes() ([]byte, error) {
	r.Signature = nil
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return append([]byte("easel receipt 1\n"), body...), nil
}

// Sign fills in the signature.
func (r *Receipt) Sign(key ed25519.PrivateKey) error {
	message, err := r.signedBytes()
	if err != nil {
		return err
	}
	r.Signature = ed25519.Sign(key, message)
	return nil
}

// Verify reports whether the signature is the key's, of this receipt.
func (r Receipt) Verify(key ed25519.PublicKey) bool {
	message, err := r.signedBytes()
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, r.Signature)
}
