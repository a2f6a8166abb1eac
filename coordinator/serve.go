package coordinator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTime   = 10 * time.Second // to send a request's headers
	requestTime  = 30 * time.Second // to send a small request, and to take a small answer
	transferTime = 10 * time.Minute // to send or take an image
	idleTime     = 2 * time.Minute
	drainTime    = 5 * time.Second // that requests have to end when the coordinator stops
)

// serve runs the dispatcher and the HTTP server until ctx ends, then stops them in the opposite order.
func (c *coordinator) serve(ctx context.Context, listener net.Listener, tlsConfig *tls.Config, where Listening) error {
	dispatching, stopDispatching := context.WithCancel(context.WithoutCancel(ctx))
	dispatched := make(chan struct{})
	go func() {
		defer close(dispatched)
		c.dispatcher.run(dispatching)
	}()
	defer func() {
		stopDispatching()
		<-dispatched
	}()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		c.sweeper().run(dispatching)
	}()
	defer func() {
		stopDispatching()
		<-swept
	}()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		c.webhooks.run(dispatching)
	}()
	defer func() {
		stopDispatching()
		<-delivered
	}()
	reloading := make(chan struct{})
	go func() {
		defer close(reloading)
		if c.config.Catalog != "" {
			c.models.run(dispatching, c.config.Reload)
		}
	}()
	defer func() {
		stopDispatching()
		<-reloading
	}()
	withdraw, err := announce(c.config.Data, where)
	if err != nil {
		return err
	}
	defer withdraw()

	server := &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    32 << 10,
		TLSConfig:         tlsConfig,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		if tlsConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	c.log.Info("coordinator serves", "url", where.URL, "data", c.config.Data)
	if c.config.Ready != nil {
		c.config.Ready(where)
	}
	select {
	case err := <-failed:
		c.stop(server)
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	c.log.Info("coordinator stops")
	c.stop(server)
	<-failed
	return nil
}

// stop ends the sessions with a close frame and lets requests end. Streams of events see the context
// end and finish by themselves.
func (c *coordinator) stop(server *http.Server) {
	c.nodes.endAll(errStopping.Message)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.stopping), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		server.Close()
	}
	c.sessions.close()
}

// listeningURL is where this machine reaches the address; an address of every interface is named by
// loopback.
func listeningURL(addr net.Addr, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
