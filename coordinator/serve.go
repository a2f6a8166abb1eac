package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/easelgrid/easel/coordinator/httpapi"
)

const (
	headerTime = 10 * time.Second // to send a request's headers
	idleTime   = 2 * time.Minute
	drainTime  = 5 * time.Second // that requests have to end when the coordinator stops
)

// serve runs the rooms that have something to do by themselves, then the HTTP server, until ctx ends, and
// stops them in the opposite order: what requests began is still placed, delivered and swept until the last
// of them has ended.
func (h *house) serve(ctx context.Context, listener net.Listener, where Listening) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var rooms sync.WaitGroup
	defer func() {
		stop()
		rooms.Wait()
	}()
	rooms.Go(func() { h.dispatcher.Run(running) })
	rooms.Go(func() { h.sweeper.Run(running) })
	rooms.Go(func() { h.sender.Run(running) })
	if h.file != nil {
		rooms.Go(func() { h.file.Run(running, h.config.Reload) })
	}
	withdraw, err := h.dir.Announce(where.URL, where.Fingerprint)
	if err != nil {
		return err
	}
	defer withdraw()

	server := h.server(ctx)
	failed := make(chan error, 1)
	go func() {
		if h.tls.Config != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	h.log.Info("coordinator serves", "url", where.URL, "data", h.config.Data)
	if h.config.Ready != nil {
		h.config.Ready(where)
	}
	select {
	case err := <-failed:
		h.stop(ctx, server)
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	h.log.Info("coordinator stops")
	h.stop(ctx, server)
	<-failed
	return nil
}

func (h *house) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: httpapi.New(ctx.Done(), httpapi.Options{
			Store: h.store, Jobs: h.jobs, Fleet: h.fleet, Tokens: h.tokens, Keys: h.keys, Ledger: h.ledger, Offers: h.offers,
			Artifacts: h.artifacts, Links: h.links, Uploads: h.uploads, Intake: h.intake, Sessions: h.sessions,
			Dispatcher: h.dispatcher, Signer: h.signer, Dialects: h.dialects,
			KeepImages: h.config.KeepImages, Version: h.config.Version, Log: h.log,
		}),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    32 << 10,
		TLSConfig:         h.tls.Config,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
}

// stop ends the sessions with a close frame and lets requests end. Streams of events see the context
// end and finish by themselves.
func (h *house) stop(ctx context.Context, server *http.Server) {
	h.sessions.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		server.Close()
	}
	h.sessions.Wait()
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
