package agent

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/internal/pin"
)

const (
	dialLimit  = 10 * time.Second
	socketSize = 64 << 10 // one connection a node: room for a frame without a second write
)

// endpoint is the coordinator as seen from here: where it is and which certificate it must show.
type endpoint struct {
	base        *url.URL
	fingerprint string // hex SHA-256 of the certificate; "" means the system's authorities decide
	dialer      websocket.Dialer
	client      *http.Client // for the coordinator itself
	others      *http.Client // for upload addresses elsewhere
}

func newEndpoint(base *url.URL, fingerprint string) (*endpoint, error) {
	e := &endpoint{base: base, fingerprint: fingerprint}
	var config *tls.Config
	if fingerprint != "" {
		if base.Scheme != "https" {
			return nil, fmt.Errorf("%w: %s shows none, use an https address", ErrCertificate, base)
		}
		config = pin.TLS(fingerprint)
	}
	e.dialer = websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, HandshakeTimeout: dialLimit,
		ReadBufferSize: socketSize, WriteBufferSize: socketSize, Subprotocols: []string{api.NodeSubprotocol},
	}
	e.client, e.others = newClient(config), newClient(nil)
	return e, nil
}

func newClient(config *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.ResponseHeaderTimeout = time.Minute
	// A redirect would carry an image, and perhaps its ticket, to somebody the coordinator did not name.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: refuse}
}

// clientFor returns the client that is to talk to target.
func (e *endpoint) clientFor(target *url.URL) *http.Client {
	if target.Host == e.base.Host && target.Scheme == e.base.Scheme {
		return e.client
	}
	return e.others
}

// socket is the address of the node websocket.
func (e *endpoint) socket() string {
	u := *e.base
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	return u.JoinPath(api.NodePath).String()
}

func (e *endpoint) close() {
	e.client.CloseIdleConnections()
	e.others.CloseIdleConnections()
}
