package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/pin"
)

// ErrNotRunning means that no coordinator answers for the data directory.
var ErrNotRunning = errors.New("no coordinator runs on this data directory, start it first")

// NewJoinToken makes a one-use join token at the coordinator that runs on the data directory. Only
// the running one can: it has the directory to itself.
func NewJoinToken(dir string) (string, error) {
	key, err := read(dir, AdminKey)
	if err != nil {
		return "", err
	}
	address, err := read(dir, addressFile)
	if err != nil {
		return "", err
	}
	if key == "" || address == "" {
		return "", fmt.Errorf("data directory %s: %w", dir, ErrNotRunning)
	}
	fingerprint, err := read(dir, fingerprintFile)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequest(http.MethodPost, address+"/easel/v1/tokens", nil)
	if err != nil {
		return "", fmt.Errorf("ask for a join token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	transport := &http.Transport{}
	if fingerprint != "" {
		transport.TLSClientConfig = pin.TLS(fingerprint)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: transport}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("data directory %s: %w (%w)", dir, ErrNotRunning, err)
	}
	defer response.Body.Close()
	return readToken(response)
}

func readToken(response *http.Response) (string, error) {
	var reply struct {
		api.JoinToken
		Error *api.Error `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&reply)
	switch {
	case err != nil:
		return "", fmt.Errorf("read join token: %w", err)
	case reply.Error != nil:
		return "", fmt.Errorf("make a join token: %w", reply.Error)
	}
	return reply.Token, nil
}
