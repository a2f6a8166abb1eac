package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/easelgrid/easel/api"
)

// CreateKey makes an API key. The answer is the only one that has the key itself.
func (c *Client) CreateKey(ctx context.Context, r api.KeyRequest) (api.Key, error) {
	var key api.Key
	return key, c.call(ctx, http.MethodPost, "/easel/v1/keys", nil, r, &key)
}

// Keys lists the API keys.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	var reply struct {
		Keys []api.Key `json:"keys"`
	}
	return reply.Keys, c.call(ctx, http.MethodGet, "/easel/v1/keys", nil, nil, &reply)
}

// RevokeKey makes an API key invalid, by its id or name.
func (c *Client) RevokeKey(ctx context.Context, which string) (api.Key, error) {
	var key api.Key
	return key, c.call(ctx, http.MethodDelete, "/easel/v1/keys/"+url.PathEscape(which), nil, nil, &key)
}

// Usage lists what keys used by day. Key "" is every one that the client's own may see; days, such as
// "2026-11-21", are both included, and "" is the last month.
func (c *Client) Usage(ctx context.Context, key, from, to string) ([]api.Usage, error) {
	query := url.Values{}
	for name, value := range map[string]string{"key": key, "from": from, "to": to} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var reply struct {
		Usage []api.Usage `json:"usage"`
	}
	return reply.Usage, c.call(ctx, http.MethodGet, "/easel/v1/usage?"+query.Encode(), nil, nil, &reply)
}
