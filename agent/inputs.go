package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/backoff"
	"github.com/easelgrid/easel/internal/disk"
)

// fetch brings the pictures that an attempt starts from into its directory, for as long as it takes:
// a coordinator that is away comes back.
func (u *uploader) fetch(ctx context.Context, e *entry) error {
	for _, in := range e.Assign.Spec.Inputs() {
		path := filepath.Join(e.dir, in.FileName())
		if _, err := os.Stat(path); err == nil {
			continue // both fields may name one picture
		}
		pause := backoff.Backoff{Policy: uploadPauses}
		for {
			again, err := u.fetchOne(ctx, e.Assign, in, path)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !again {
				return err
			}
			if pause.Failures() == 0 {
				u.log.Warn("an input is fetched again", "job", e.Assign.Job, "attempt", e.Assign.Number, "error", err)
			}
			pause.Wait(ctx)
		}
	}
	return nil
}

// fetchOne is one GET. Again reports whether another one may succeed.
func (u *uploader) fetchOne(ctx context.Context, assign api.Assign, in api.Input, path string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, uploadTry)
	defer cancel()
	target, err := u.resolve(strings.ReplaceAll(assign.Inputs, "{sha256}", in.SHA256))
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return false, api.Errorf(api.CodeUploadFailed, "address of an input: %v", err)
	}
	request.Header.Set("Authorization", "Bearer "+assign.Ticket)
	response, err := u.endpoint.clientFor(target).Do(request)
	if err != nil {
		return true, withoutURL(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, api.MaxInputBytes+1))
	if err != nil {
		return true, withoutURL(err)
	}
	if response.StatusCode != http.StatusOK {
		return interpret(response.StatusCode, body[:min(len(body), 512)])
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != in.SHA256 {
		// It came whole, so the same would come again; another attempt may find it mended.
		return false, api.Errorf(api.CodeUploadFailed, "an input of %d bytes came that is not the one the request names", len(body))
	}
	if err := disk.WriteFile(path, body, 0o600); err != nil {
		return false, api.Errorf(api.CodeUploadFailed, "an input could not be kept: %v", err)
	}
	return false, nil
}
