package coordinator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// idLetters are Crockford's digits in lower case: they sort as their values do and none look alike.
var idLetters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newJobID makes a job's name: its millisecond and 80 random bits, so that names sort by time.
func newJobID(now time.Time) string {
	var b [18]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli()))
	rand.Read(b[8:])
	return idLetters.EncodeToString(b[2:])
}

// nodeID is the name of the node with that public key.
func nodeID(publicKey []byte) string { return hashHex(publicKey)[:16] }

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// randomText is 32 random bytes in a form that goes into headers and URLs.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
