// Package outward makes requests to addresses that users give, such as a picture's or a webhook's.
//
// Such an address may be a trap: it may lead into the network that the coordinator is in. So only http
// and https are spoken, and only with public addresses. What counts is the address a connection is
// really made to, looked at when it is made, so neither a redirect nor a name that changes its answer
// leads anywhere else. Nothing of the coordinator's goes out: no proxy, no cookies, no credentials.
package outward

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10 // of an answer
	maxAtOnce      = 16       // pictures being fetched, each at most api.MaxInputBytes in memory
	userAgent      = "easel"
)

// A Client makes requests to the public. The zero value is ready; do not change it after its first use.
type Client struct {
	// AllowPrivate are addresses that may be reached although they are not public, as in a closed
	// network or a test.
	AllowPrivate []netip.Prefix
	// Ports are those that may be reached; none means all.
	Ports []uint16
	// Resolver looks up names; nil is the system's.
	Resolver *net.Resolver
	// Times limit the phases of a request.
	Times Times

	once      sync.Once
	transport *http.Transport
	fetches   chan struct{} // holds a token for each fetch under way
}

// Times limit how long the phases of a request may take; 0 is the default.
type Times struct {
	Connect time.Duration // to look up the name and connect, 10 s
	TLS     time.Duration // for the handshake, 10 s
	Header  time.Duration // from the request to the answer's header, 20 s
	Whole   time.Duration // everything, redirects and body included, 60 s for a picture; a post has 30 s
}

func (t Times) withDefaults() Times {
	for _, d := range []struct {
		field     *time.Duration
		otherwise time.Duration
	}{
		{&t.Connect, 10 * time.Second}, {&t.TLS, 10 * time.Second}, {&t.Header, 20 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.otherwise
		}
	}
	return t
}

func (t Times) whole(otherwise time.Duration) time.Duration {
	if t.Whole > 0 {
		return t.Whole
	}
	return otherwise
}

// open makes the transport at the first use. Compression is off: an answer is as large as what came.
func (c *Client) open() {
	c.once.Do(func() {
		times := c.Times.withDefaults()
		dialer := &net.Dialer{Timeout: times.Connect, Resolver: c.Resolver, Control: c.control}
		c.transport = &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    times.TLS,
			ResponseHeaderTimeout:  times.Header,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           32,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
		}
		c.fetches = make(chan struct{}, maxAtOnce)
	})
}

// Close gives back the connections that wait for another request.
func (c *Client) Close() {
	c.open()
	c.transport.CloseIdleConnections()
}

// control looks at the address of every connection just before it is made.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return errNotPublic
	}
	return c.checkAddr(at)
}

func (c *Client) checkAddr(at netip.AddrPort) error {
	if len(c.Ports) > 0 && !slices.Contains(c.Ports, at.Port()) {
		return errPort
	}
	ip := at.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(c.AllowPrivate, func(p netip.Prefix) bool { return p.Contains(ip) }) || Public(ip) {
		return nil
	}
	return errNotPublic
}

var (
	errNotPublic = errors.New("an address that is not public")
	errPort      = errors.New("a port that is not allowed")
	errRedirects = errors.New("too many redirects")
)

// do sends a request and follows redirects. Each hop's address is checked like the first, and does
// not learn from where it was linked.
func (c *Client) do(r *http.Request, mayFollow func(status int) bool) (*http.Response, error) {
	c.open()
	r.Header.Set("User-Agent", userAgent)
	client := http.Client{
		Transport: c.transport,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if !mayFollow(next.Response.StatusCode) {
				return http.ErrUseLastResponse
			}
			if len(via) > maxRedirects {
				return errRedirects
			}
			next.Header.Del("Referer")
			return c.checkURL(next.URL)
		},
	}
	return client.Do(r)
}

// reason is why a request failed, in words for the client that gave the address. The words give away
// nothing of what is behind an address that is not public.
func reason(err error) string {
	for _, known := range []error{errNotPublic, errPort, errRedirects} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if wrong, ok := errors.AsType[urlError](err); ok {
		return wrong.Error()
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && !name.Timeout() {
		return "a name that cannot be looked up"
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "a refused connection"
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return "no answer (" + shorten(err.Error()) + ")"
}

func shorten(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
