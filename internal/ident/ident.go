// Package ident makes names, digests and secrets. It owns their forms: nothing else in easel draws random
// bytes for a name or decides how a digest is written.
package ident

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// letters are Crockford's digits in lower case: they sort as their values do and none look alike.
var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Timed makes a name of 26 characters from a time in milliseconds and 80 random bits, so that names sort
// by time.
func Timed(at time.Time) string {
	var b [18]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli()))
	rand.Read(b[8:])
	return letters.EncodeToString(b[2:])
}

// TimeOf is the time in a name that [Timed] made, to the millisecond.
func TimeOf(name string) (time.Time, bool) {
	b, err := letters.DecodeString(name)
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)))), true
}

// Digest is the SHA-256 of b in lower-case hex.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Hex is n random bytes in lower-case hex.
func Hex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Secret is 32 random bytes in a form that fits into headers and URLs.
func Secret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
