// Package coordinator accepts jobs, owns their state, and places them on nodes.
//
// A job and all it went through is one record in an embedded JetStream (record.go has the state
// machine, jobs.go its owner). The dispatcher gives queued jobs to nodes, which hold a websocket
// session each; leases decide when a silent node loses an attempt. Clients use the HTTP API under
// /easel/v1. Everything a node says is fenced by (job, attempt), so late words change nothing.
package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/dialect"
	"github.com/easelgrid/easel/coordinator/outward"
)

// A Config says how a coordinator runs. Data is the only field that must be set.
type Config struct {
	Data    string // directory for everything it keeps; made when missing
	Listen  string // address, 127.0.0.1:7878 by default; port 0 takes a free one
	Version string
	Log     *slog.Logger

	Models       []api.Runtime // what is known before any node has joined
	DefaultModel string        // for requests without a model; "" is the only one known, else the first by name

	Heartbeat     time.Duration // how often nodes report, 5 s by default
	Lease         time.Duration // how long an attempt lives without a report, 15 s by default
	AcceptTimeout time.Duration // how long a node may take to answer an assignment, 5 s by default

	// Off loopback the coordinator serves HTTPS, with these PEM files or with a certificate it makes
	// itself, which join tokens pin. PlainHTTP turns that off, as behind a proxy that has TLS.
	Certificate, Key string
	PlainHTTP        bool

	// Catalog is a YAML file of the models that clients see; "" shows what nodes have. It is read again
	// when it changes.
	Catalog string
	Reload  <-chan struct{} // reads Catalog again at once
	// PublicURL begins the links that clients get, as behind a proxy that has a name of its own; unless
	// given they begin as the client's request did.
	PublicURL string
	LinkValid time.Duration // how long a picture's signed address works, from when it is made; 24 h by default
	// Artifacts is where pictures are kept: a directory, "" for one in Data, or an S3-compatible bucket
	// that nobody else uses, as in "s3://bucket?region=eu-central-1".
	Artifacts string
	// KeepImages is how long images are kept after their job was settled: as long as their links work by
	// default and at least. KeepRecords is the same for all there is of a job, 30 days by default and at
	// least as long. Less than 0 is for ever.
	KeepImages, KeepRecords time.Duration
	// AllowPrivate are networks that pictures and webhooks may be in although they are not public.
	AllowPrivate []netip.Prefix
	// KeepAbandoned lets a job go on whose client hung up while it waited for it.
	KeepAbandoned bool

	Ready func(Listening) // called once, when requests are served

	vendors []func(dialect.Service) dialect.Dialect // for tests, in place of all
}

// Listening says where a coordinator serves and where its secrets are.
type Listening struct {
	URL           string
	AdminKeyFile  string
	JoinTokenFile string
	First         bool   // this is the first start on the data directory
	Fingerprint   string // SHA-256 of the certificate in hex, "" without TLS
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:7878"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Heartbeat = orDuration(c.Heartbeat, 5*time.Second)
	c.Lease = orDuration(c.Lease, 15*time.Second)
	c.AcceptTimeout = orDuration(c.AcceptTimeout, 5*time.Second)
	c.LinkValid = orDuration(c.LinkValid, 24*time.Hour)
	if c.KeepImages >= 0 {
		c.KeepImages = max(c.KeepImages, c.LinkValid)
	}
	if c.KeepRecords == 0 {
		c.KeepRecords = 30 * 24 * time.Hour
	}
	if c.KeepImages < 0 || c.KeepRecords < 0 {
		c.KeepRecords = -1
	} else {
		c.KeepRecords = max(c.KeepRecords, c.KeepImages)
	}
	return c
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// A coordinator is one running instance.
type coordinator struct {
	config     Config
	log        *slog.Logger
	storage    *storage
	artifacts  *artifacts
	jobs       *jobs
	leases     *leases
	nodes      *nodes
	tokens     *tokens
	keys       *keys
	outside    *outward.Client
	vendors    *vendors
	models     *catalogFile
	ledger     *ledger
	admission  turns
	signer     signer
	webhooks   *webhooks
	dispatcher *dispatcher
	sessions   group
	stopping   context.Context // ends when the coordinator is to stop
	since      time.Time       // it runs
}

// Run serves until ctx ends and everything is stopped. What was accepted is kept for the next start.
// It returns an error that is ErrInUse when another coordinator has the data directory.
func Run(ctx context.Context, config Config) error {
	config = config.withDefaults()
	if config.Data == "" {
		return errors.New("no data directory given")
	}
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	lock, err := lockDirectory(config.Data)
	if err != nil {
		return err
	}
	defer lock.Close()
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", config.Listen, err)
	}
	defer listener.Close()
	tlsConfig, fingerprint, err := certificateFor(config, listener.Addr())
	if err != nil {
		return err
	}
	c, err := open(ctx, config, pinFor(tlsConfig, fingerprint))
	if err != nil {
		return err
	}
	defer c.close()
	first, err := c.firstStart(ctx)
	if err != nil {
		return err
	}
	return c.serve(ctx, listener, tlsConfig, Listening{
		URL:           listeningURL(listener.Addr(), tlsConfig != nil),
		AdminKeyFile:  filepath.Join(config.Data, adminKeyFile),
		JoinTokenFile: filepath.Join(config.Data, joinTokenFile),
		First:         first,
		Fingerprint:   fingerprint,
	})
}

// open loads everything from the data directory; nothing runs yet but JetStream.
func open(ctx context.Context, config Config, pin string) (*coordinator, error) {
	s, err := openStorage(ctx, config.Data, config.Log)
	if err != nil {
		return nil, err
	}
	c := &coordinator{config: config, log: config.Log, storage: s, stopping: ctx, outside: &outward.Client{AllowPrivate: config.AllowPrivate}, since: time.Now().UTC().Truncate(time.Second)}
	if err := c.load(ctx, pin); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *coordinator) load(ctx context.Context, pin string) (err error) {
	if c.artifacts, err = openArtifacts(ctx, cmp.Or(c.config.Artifacts, filepath.Join(c.config.Data, "artifacts"))); err != nil {
		return err
	}
	if c.signer, err = loadSigner(filepath.Join(c.config.Data, "url.secret")); err != nil {
		return err
	}
	c.dispatcher = &dispatcher{
		heartbeat: c.config.Heartbeat, pause: c.config.AcceptTimeout, log: c.log, woken: make(chan struct{}, 1),
	}
	if c.nodes, err = loadNodes(ctx, &c.storage.nodes, c.dispatcher.wake); err != nil {
		return err
	}
	c.leases = newLeases(c.config.AcceptTimeout, c.config.Lease)
	c.jobs = newJobs(c.storage, c.artifacts, c.leases, c.log, c.dispatcher.wake)
	c.dispatcher.jobs, c.dispatcher.nodes, c.dispatcher.leases = c.jobs, c.nodes, c.leases
	c.tokens = &tokens{&c.storage.tokens, pin}
	if c.keys, err = loadKeys(ctx, &c.storage.keys); err != nil {
		return err
	}
	c.vendors = c.mountVendors()
	c.models = &catalogFile{path: c.config.Catalog, dialects: c.vendors.names(), log: c.log}
	if c.config.Catalog != "" {
		if err := c.models.read(); err != nil {
			return err
		}
	}
	if err := c.openWebhooks(ctx); err != nil {
		return err
	}
	c.ledger = &ledger{bucket: &c.storage.ledger, queue: &c.storage.queue}
	c.admission.seed = maphash.MakeSeed()
	c.jobs.settled = func(ctx context.Context, r record) error {
		return errors.Join(c.webhooks.settled(ctx, r), c.ledger.count(ctx, r))
	}
	return c.jobs.load(ctx)
}

func (c *coordinator) close() {
	c.storage.close()
	c.outside.Close()
	if c.artifacts != nil {
		c.artifacts.close()
	}
}

// A group counts goroutines that may begin at any time until it is waited for.
type group struct {
	mu     sync.Mutex
	closed bool
	wait   sync.WaitGroup
}

// begin counts one more, or says that it is too late.
func (g *group) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.wait.Add(1)
	}
	return !g.closed
}

func (g *group) done() { g.wait.Done() }

// close lets nobody begin any more and waits for those who did.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wait.Wait()
}
