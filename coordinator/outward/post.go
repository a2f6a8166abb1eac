package outward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"time"
)

const (
	postTime  = 30 * time.Second
	maxAnswer = 64 << 10 // that is read of an answer, so that its connection can be used again
)

// Check reports whether an address could be posted to, as far as that can be known without a
// connection. The error is an *api.Error with one fault, whose field is "url"; see [Named].
func (c *Client) Check(address string) error {
	if _, err := c.parse(address); err != nil {
		return refuse(address, reason(err), "a public http or https address")
	}
	return nil
}

// Post sends a body once. It is delivered when the answer is a 2xx within 30 s. Of redirects only 307
// and 308 are followed: the others would make a GET of it.
func (c *Client) Post(ctx context.Context, address string, header http.Header, body []byte) error {
	u, err := c.parse(address)
	if err != nil {
		return errors.New(reason(err))
	}
	ctx, cancel := context.WithTimeout(ctx, c.Times.whole(postTime))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("an address that cannot be read")
	}
	maps.Copy(r.Header, header)
	response, err := c.do(r, func(status int) bool {
		return status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	})
	if err != nil {
		return errors.New(reason(err))
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // its content has no effect
	if response.StatusCode/100 != 2 {
		return errors.New("the answer " + status(response.StatusCode))
	}
	return nil
}
