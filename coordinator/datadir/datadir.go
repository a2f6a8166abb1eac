package coordinator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a data directory that people and other commands read.
const (
	adminKeyFile  = "admin.key"
	joinTokenFile = "join.token"
	// These two exist while a coordinator serves: its URL, and its certificate's SHA-256 with TLS.
	addressFile     = "address"
	fingerprintFile = "fingerprint"
)

// firstStart makes the admin key and a join token on a data directory that has no key yet, and
// reports whether it did. The file is written before the key is valid: a start that was cut short
// in between goes on with the key in the file.
func (c *coordinator) firstStart(ctx context.Context) (bool, error) {
	if len(c.keys.list()) > 0 {
		return false, nil
	}
	keyPath := filepath.Join(c.config.Data, adminKeyFile)
	key, err := readSecret(keyPath)
	if err != nil {
		return false, err
	}
	if key == "" {
		key = adminKeyPrefix + randomText()
		if err := writeSecret(keyPath, key+"\n"); err != nil {
			return false, err
		}
	}
	now := time.Now()
	token, _, err := c.tokens.issue(ctx, now)
	if err != nil {
		return false, err
	}
	if err := writeSecret(filepath.Join(c.config.Data, joinTokenFile), token+"\n"); err != nil {
		return false, err
	}
	_, err = c.keys.add(ctx, key, apiKey{Role: roleAdmin, Name: firstAdmin, CreatedAt: now.UTC()})
	return true, err
}

// readSecret returns the text of a file without its line end, "" when there is no file.
func readSecret(name string) (string, error) {
	body, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(body)), err
}

// writeSecret writes a file only its owner can read, whole or not at all.
func writeSecret(name, text string) error {
	part := name + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(name), err), ignoreMissing(os.Remove(part)))
	}
	return nil
}

// loadSigner reads the secret that signs image URLs, or makes it.
func loadSigner(name string) (signer, error) {
	text, err := readSecret(name)
	if err != nil {
		return signer{}, fmt.Errorf("read %s: %w", filepath.Base(name), err)
	}
	if text == "" {
		text = rand.Text() + rand.Text()
		if err := writeSecret(name, text+"\n"); err != nil {
			return signer{}, err
		}
	}
	return signer{secret: []byte(text)}, nil
}

// announce writes where the coordinator serves for the commands that look for it on this machine, and
// returns what takes it back.
func announce(dir string, where Listening) (remove func(), err error) {
	address, fingerprint := filepath.Join(dir, addressFile), filepath.Join(dir, fingerprintFile)
	remove = func() { // a file that stays does no harm: nobody answers there
		_ = os.Remove(address)
		_ = os.Remove(fingerprint)
	}
	remove()
	if where.Fingerprint != "" {
		if err := writeSecret(fingerprint, where.Fingerprint); err != nil {
			return nil, err
		}
	}
	return remove, writeSecret(address, where.URL)
}
