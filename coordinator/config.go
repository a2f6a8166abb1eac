package coordinator

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/httpapi"
)

// A Config is how a coordinator runs. Data is the only field that must be set.
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
	// Vendors are the dialects that are spoken, all there are by default.
	Vendors []httpapi.Vendor

	Ready func(Listening) // called once, when requests are served
}

// Listening is where a coordinator serves and where its secrets are.
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
	if c.Vendors == nil {
		c.Vendors = httpapi.Vendors
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
