package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/easelgrid/easel/internal/disk"
)

// loadKey returns the node's identity, the Ed25519 key in node.key, and makes it the first time.
func loadKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, "node.key")
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	block, _ := pem.Decode(body)
	if block == nil {
		return nil, fmt.Errorf("read node key: %s is not a PEM file", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read node key: %s is not an Ed25519 key", path)
	}
	return key, nil
}

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make node key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make node key: %w", err)
	}
	body := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := disk.WriteFile(path, body, 0o600); err != nil {
		return nil, fmt.Errorf("keep node key: %w", err)
	}
	return key, nil
}

// membership is what a node remembers of the coordinator it joined, in coordinator.json.
type membership struct {
	Coordinator string `json:"coordinator"` // URL
	Fingerprint string `json:"fingerprint"` // of its certificate, "" when none is pinned
	NodeID      string `json:"node_id"`
}

func membershipPath(dir string) string { return filepath.Join(dir, "coordinator.json") }

// loadMembership returns the zero membership where the node never joined.
func loadMembership(dir string) (membership, error) {
	var m membership
	body, err := os.ReadFile(membershipPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read what is remembered of the coordinator: %w", err)
	}
	return m, nil
}

func (m membership) save(dir string) error {
	body, err := json.Marshal(m)
	if err == nil {
		err = disk.WriteFile(membershipPath(dir), append(body, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember the coordinator: %w", err)
	}
	return nil
}
