// Package client talks to a coordinator's native HTTP API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/sse"
)

// A Client calls one coordinator with one API key.
type Client struct {
	// URL is the coordinator's address, such as "http://127.0.0.1:7878".
	URL string
	// Key is the API key.
	Key string
	// HTTP sends the requests; http.DefaultClient when nil.
	HTTP *http.Client
}

const (
	maxReply = 16 << 20 // bytes of a JSON reply
	maxEvent = 1 << 20  // bytes of an event
)

// Submit creates a job. The same idempotencyKey gives the same job; "" means none.
func (c *Client) Submit(ctx context.Context, r api.JobRequest, idempotencyKey string) (api.Job, error) {
	var header http.Header
	if idempotencyKey != "" {
		header = http.Header{"Idempotency-Key": {idempotencyKey}}
	}
	var job api.Job
	return job, c.call(ctx, http.MethodPost, "/easel/v1/jobs", header, r, &job)
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (api.Job, error) {
	var job api.Job
	return job, c.call(ctx, http.MethodGet, "/easel/v1/jobs/"+url.PathEscape(id), nil, nil, &job)
}

// Jobs lists jobs, newest first. State "" means all.
func (c *Client) Jobs(ctx context.Context, state api.State, limit int) ([]api.Job, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if state != "" {
		query.Set("state", string(state))
	}
	var reply struct {
		Jobs []api.Job `json:"jobs"`
	}
	return reply.Jobs, c.call(ctx, http.MethodGet, "/easel/v1/jobs?"+query.Encode(), nil, nil, &reply)
}

// Cancel cancels a job and returns it.
func (c *Client) Cancel(ctx context.Context, id string) (api.Job, error) {
	var job api.Job
	return job, c.call(ctx, http.MethodDelete, "/easel/v1/jobs/"+url.PathEscape(id), nil, nil, &job)
}

// Nodes lists the nodes.
func (c *Client) Nodes(ctx context.Context) ([]api.Node, error) {
	var reply struct {
		Nodes []api.Node `json:"nodes"`
	}
	return reply.Nodes, c.call(ctx, http.MethodGet, "/easel/v1/nodes", nil, nil, &reply)
}

// Token makes a one-use join token.
func (c *Client) Token(ctx context.Context) (string, error) {
	var reply struct {
		Token string `json:"token"`
	}
	return reply.Token, c.call(ctx, http.MethodPost, "/easel/v1/tokens", nil, struct{}{}, &reply)
}

// Image copies an image's file to w. Ref is the image's URL, absolute or relative.
func (c *Client) Image(ctx context.Context, ref string, w io.Writer) error {
	target, err := c.resolve(ref)
	if err != nil {
		return err
	}
	response, err := c.send(ctx, http.MethodGet, target, nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(w, response.Body)
	return err
}

func (c *Client) resolve(ref string) (string, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return "", fmt.Errorf("coordinator URL: %w", err)
	}
	u, err := base.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("image URL: %w", err)
	}
	return u.String(), nil
}

// An Event is one server-sent event of a job: its name and JSON data.
type Event struct {
	Name string
	Data []byte
}

// Events follows a job until it is settled, calling each for every event. It returns nil at the
// end of the stream and the error of each when that is not nil.
func (c *Client) Events(ctx context.Context, id string, each func(Event) error) error {
	response, err := c.send(ctx, http.MethodGet, c.URL+"/easel/v1/jobs/"+url.PathEscape(id)+"/events", http.Header{"Accept": {"text/event-stream"}}, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for events := sse.NewReader(response.Body, maxEvent); ; {
		event, err := events.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if event.Name == "" {
			continue
		}
		if err := each(Event{event.Name, event.Data}); err != nil {
			return err
		}
	}
}

// Wait follows a job until it is settled and returns it. It survives a coordinator that restarts:
// a broken stream is opened again for as long as ctx lasts. Each may be nil.
func (c *Client) Wait(ctx context.Context, id string, each func(Event) error) (api.Job, error) {
	var refusal error
	for {
		err := c.Events(ctx, id, func(e Event) error {
			if each != nil {
				refusal = each(e)
			}
			return refusal
		})
		if refusal != nil {
			return api.Job{}, refusal
		}
		job, again := c.Job(ctx, id)
		if again == nil && job.State.Terminal() {
			return job, nil
		}
		if err := errors.Join(err, again); err != nil && (ctx.Err() != nil || !transient(err)) {
			return api.Job{}, err
		}
		if err := pause(ctx); err != nil {
			return api.Job{}, err
		}
	}
}

// transient reports whether trying again can help: the coordinator did not answer, or answers that it is unavailable.
func transient(err error) bool {
	e, ok := errors.AsType[*api.Error](err)
	return !ok || e.Code.Retryable()
}

func (c *Client) call(ctx context.Context, method, path string, header http.Header, body, reply any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		content = bytes.NewReader(encoded)
		header = header.Clone()
		if header == nil {
			header = http.Header{}
		}
		header.Set("Content-Type", "application/json")
	}
	response, err := c.send(ctx, method, c.URL+path, header, content)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(reply); err != nil {
		return fmt.Errorf("%s %s: decode reply: %w", method, path, err)
	}
	return nil
}

// send returns a response with a 2xx status; any other becomes the *api.Error it carries.
func (c *Client) send(ctx context.Context, method, target string, header http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if header != nil {
		request.Header = header
	}
	// An image URL is signed already; the key goes to the coordinator and nowhere else, and never in
	// the clear where the coordinator is reached by TLS.
	if base, err := url.Parse(c.URL); err == nil && base.Host == request.URL.Host && base.Scheme == request.URL.Scheme {
		request.Header.Set("Authorization", "Bearer "+c.Key)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, replyError(response)
}

func replyError(response *http.Response) error {
	var reply struct {
		Error *api.Error `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(response.Body, maxReply)).Decode(&reply)
	if err == nil && reply.Error != nil && reply.Error.Code != "" {
		return reply.Error
	}
	return api.Errorf(api.CodeInternal, "the coordinator answered %s", response.Status)
}
