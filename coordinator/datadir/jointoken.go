package coordinator

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/easelgrid/easel/api"
)

// ErrNotRunning says that no coordinator answers for the data directory.
var ErrNotRunning = errors.New("no coordinator runs on this data directory, start it first")

// NewJoinToken makes a one-use join token at the coordinator that runs on the data directory. Only
// the running one can: it has the directory to itself.
func NewJoinToken(data string) (string, error) {
	key, err := readSecret(filepath.Join(data, adminKeyFile))
	if err != nil {
		return "", fmt.Errorf("read admin key: %w", err)
	}
	address, err := readSecret(filepath.Join(data, addressFile))
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	if key == "" || address == "" {
		return "", fmt.Errorf("data directory %s: %w", data, ErrNotRunning)
	}
	fingerprint, err := readSecret(filepath.Join(data, fingerprintFile))
	if err != nil {
		return "", fmt.Errorf("read fingerprint: %w", err)
	}
	request, err := http.NewRequest(http.MethodPost, address+"/easel/v1/tokens", nil)
	if err != nil {
		return "", fmt.Errorf("ask for a join token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	client := http.Client{Timeout: 10 * time.Second, Transport: pinned(fingerprint)}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("data directory %s: %w (%w)", data, ErrNotRunning, err)
	}
	defer response.Body.Close()
	return readToken(response)
}

func readToken(response *http.Response) (string, error) {
	var reply struct {
		Token string     `json:"token"`
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

// pinned trusts exactly the certificate with that SHA-256.
func pinned(fingerprint string) *http.Transport {
	transport := &http.Transport{}
	if fingerprint != "" {
		transport.TLSClientConfig = &tls.Config{
			MinVersion: tls.VersionTLS12,
			// The pin below takes the place of names and authorities.
			InsecureSkipVerify: true,
			VerifyConnection: func(state tls.ConnectionState) error {
				if len(state.PeerCertificates) == 0 || hashHex(state.PeerCertificates[0].Raw) != fingerprint {
					return errors.New("another certificate than this coordinator's")
				}
				return nil
			},
		}
	}
	return transport
}
