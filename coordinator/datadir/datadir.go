// Package datadir is a coordinator's data directory: its lock, its secrets, its certificate, and the files
// that people and the commands on the same machine read. Buckets and pictures are below it too, and belong
// to the rooms that keep them.
package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/easelgrid/easel/internal/disk"
)

// The files that people and other commands read.
const (
	AdminKey  = "admin.key"
	JoinToken = "join.token"
	// These two exist while a coordinator serves: its URL, and its certificate's SHA-256 with TLS.
	addressFile     = "address"
	fingerprintFile = "fingerprint"
)

// ErrInUse means that another coordinator runs on the data directory.
var ErrInUse = errors.New("in use by another coordinator")

// A Dir is a data directory that this process has locked.
type Dir struct {
	path string
	lock io.Closer
}

// Open makes the directory when it is missing and locks it. The embedded JetStream has no lock of its own:
// two servers open the same directory without an error and damage it.
func Open(path string) (*Dir, error) {
	if path == "" {
		return nil, errors.New("no data directory given")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := disk.Lock(filepath.Join(path, "lock"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, fmt.Errorf("data directory %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	return &Dir{path, lock}, nil
}

// Close unlocks the directory.
func (d *Dir) Close() error { return d.lock.Close() }

// Path is the path of a file in the directory, or of the directory itself for "".
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Read returns the text of a file without its line end, "" when there is no such file.
func (d *Dir) Read(name string) (string, error) { return read(d.path, name) }

func read(dir, name string) (string, error) {
	body, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return strings.TrimSpace(string(body)), nil
}

// Write writes a file that only its owner can read, whole or not at all.
func (d *Dir) Write(name, text string) error {
	return disk.WriteFile(d.Path(name), []byte(text), 0o600)
}

// Secret reads the secret in a file, or makes both.
func (d *Dir) Secret(name string) ([]byte, error) {
	text, err := d.Read(name)
	if err != nil || text != "" {
		return []byte(text), err
	}
	text = rand.Text() + rand.Text()
	return []byte(text), d.Write(name, text+"\n")
}

// Announce writes where the coordinator serves for the commands that look for it on this machine, and
// returns what takes it back.
func (d *Dir) Announce(url, fingerprint string) (withdraw func(), err error) {
	withdraw = func() { // a file that stays does no harm: nobody answers there
		_ = os.Remove(d.Path(addressFile))
		_ = os.Remove(d.Path(fingerprintFile))
	}
	withdraw()
	if fingerprint != "" {
		if err := d.Write(fingerprintFile, fingerprint); err != nil {
			return nil, err
		}
	}
	return withdraw, d.Write(addressFile, url)
}
