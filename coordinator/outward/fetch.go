package outward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// fetchTime is how long a picture may take, with all redirects.
const fetchTime = time.Minute

// wantPicture ends the sentence of every error of a fetch.
const wantPicture = "a public http or https address of a PNG, JPEG or WebP file"

// Fetch gets a picture: a PNG, JPEG or WebP file of at most api.MaxInputBytes and api.MaxInputPixels. It
// is not decoded. The error is an *api.Error with one fault, whose field is "url": a caller that knows
// the field's real name puts it there with [Named]. When ctx ends first, the error is ctx's.
func (c *Client) Fetch(ctx context.Context, address string) ([]byte, error) {
	c.open()
	select {
	case c.fetches <- struct{}{}:
		defer func() { <-c.fetches }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	within, cancel := context.WithTimeout(ctx, c.Times.whole(fetchTime))
	defer cancel()
	picture, err := c.get(within, address)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return picture, err
}

func (c *Client) get(ctx context.Context, address string) ([]byte, error) {
	u, err := c.parse(address)
	if err != nil {
		return nil, refuse(address, reason(err), wantPicture)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, refuse(address, "an address that cannot be read", wantPicture)
	}
	r.Header.Set("Accept", "image/png, image/jpeg, image/webp, */*;q=0.1")
	response, err := c.do(r, func(int) bool { return true })
	if err != nil {
		return nil, refuse(address, reason(err), wantPicture)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, refuse(address, "the answer "+status(response.StatusCode), wantPicture)
	}
	return readPicture(address, response)
}

// readPicture reads no more than a picture may have, whatever the answer's header promises.
func readPicture(address string, response *http.Response) ([]byte, error) {
	tooLarge := refuse(address, fmt.Sprintf("more than %d bytes", api.MaxInputBytes), fmt.Sprintf("a picture of at most %d bytes", api.MaxInputBytes))
	if response.ContentLength > api.MaxInputBytes {
		return nil, tooLarge
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(io.LimitReader(response.Body, api.MaxInputBytes+1)); err != nil {
		return nil, refuse(address, reason(err), wantPicture)
	}
	if body.Len() > api.MaxInputBytes {
		return nil, tooLarge
	}
	if _, err := api.ReadInput(body.Bytes()); err != nil {
		f := api.FaultOf("", err, wantPicture)
		return nil, refuse(address, f.Value, f.Limit)
	}
	return body.Bytes(), nil
}

func status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return fmt.Sprint(code)
}

// refuse is the error about an address, which is named without what may be secret in it.
func refuse(address, got, want string) error {
	return api.Invalid([]api.Fault{{Field: "url", Value: strconv.Quote(shown(address)) + ": " + got, Limit: want}})
}

// Named returns the error of a fetch with the name of the request's field that had the address.
func Named(err error, field string) error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || len(e.Faults) != 1 || e.Faults[0].Field != "url" {
		return err
	}
	fault := e.Faults[0]
	fault.Field = field
	return api.Invalid([]api.Fault{fault})
}

// shown is an address without query, fragment and credentials.
func shown(address string) string {
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		address = address[:end]
	}
	scheme, rest, ok := strings.Cut(address, "//")
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); ok && at >= 0 {
		address = scheme + "//" + host[at+1:]
		if slash {
			address += "/" + path
		}
	}
	return shorten(address)
}
