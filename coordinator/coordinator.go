// Package coordinator wires the rooms of a coordinator and runs it: jobs are accepted, their state is owned,
// and they are placed on nodes. docs/ARCHITECTURE.md draws the rooms.
package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/easelgrid/easel/coordinator/account"
	"github.com/easelgrid/easel/coordinator/artifact"
	"github.com/easelgrid/easel/coordinator/datadir"
	"github.com/easelgrid/easel/coordinator/dispatch"
	"github.com/easelgrid/easel/coordinator/fleet"
	"github.com/easelgrid/easel/coordinator/httpapi"
	"github.com/easelgrid/easel/coordinator/intake"
	"github.com/easelgrid/easel/coordinator/job"
	"github.com/easelgrid/easel/coordinator/offer"
	"github.com/easelgrid/easel/coordinator/outward"
	"github.com/easelgrid/easel/coordinator/retention"
	"github.com/easelgrid/easel/coordinator/session"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/webhook"
)

// Run serves until ctx ends and everything is stopped. What was accepted is kept for the next start.
// It returns an error that is datadir.ErrInUse when another coordinator has the data directory.
func Run(ctx context.Context, config Config) error {
	config = config.withDefaults()
	dir, err := datadir.Open(config.Data)
	if err != nil {
		return err
	}
	defer dir.Close()
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", config.Listen, err)
	}
	defer listener.Close()
	tls, err := dir.TLS(config.Certificate, config.Key, config.PlainHTTP, listener.Addr())
	if err != nil {
		return err
	}
	h := &house{config: config, log: config.Log, dir: dir, tls: tls}
	defer h.close()
	if err := h.open(ctx); err != nil {
		return err
	}
	first, err := h.firstStart(ctx)
	if err != nil {
		return err
	}
	return h.serve(ctx, listener, Listening{
		URL:           listeningURL(listener.Addr(), tls.Config != nil),
		AdminKeyFile:  dir.Path(datadir.AdminKey),
		JoinTokenFile: dir.Path(datadir.JoinToken),
		First:         first,
		Fingerprint:   tls.Fingerprint,
	})
}

// A house is one running coordinator: its rooms, each made of those above it in this list.
type house struct {
	config Config
	log    *slog.Logger
	dir    *datadir.Dir
	tls    datadir.TLS

	store      *store.Store
	artifacts  *artifact.Store
	links      artifact.Links
	uploads    artifact.Uploads
	outside    *outward.Client
	fleet      *fleet.Fleet
	tokens     *fleet.Tokens
	keys       *account.Keys
	ledger     *account.Ledger
	outbox     *webhook.Outbox
	leases     *job.Leases
	jobs       *job.Jobs
	file       *offer.File // nil where there is none
	offers     *offer.Offers
	intake     *intake.Service
	dialects   *httpapi.Dialects
	signer     webhook.Signer
	sender     *webhook.Sender
	dispatcher *dispatch.Dispatcher
	sweeper    *retention.Sweeper
	sessions   *session.Sessions
}

// open makes every room. Nothing runs yet but JetStream.
func (h *house) open(ctx context.Context) error {
	for _, room := range []func(context.Context) error{h.openStores, h.openAccounts, h.openJobs, h.openDoors} {
		if err := room(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) openStores(ctx context.Context) (err error) {
	if h.store, err = store.Embedded(ctx, h.dir.Path(""), h.log); err != nil {
		return err
	}
	if h.artifacts, err = artifact.Open(ctx, cmp.Or(h.config.Artifacts, h.dir.Path("artifacts"))); err != nil {
		return err
	}
	secret, err := h.dir.Secret("url.secret")
	h.links = artifact.NewLinks(secret, h.config.LinkValid)
	h.uploads = artifact.NewUploads(h.artifacts, h.links)
	h.outside = &outward.Client{AllowPrivate: h.config.AllowPrivate}
	return err
}

func (h *house) openAccounts(ctx context.Context) (err error) {
	if h.fleet, err = fleet.Open(ctx, h.store); err != nil {
		return err
	}
	if h.tokens, err = fleet.OpenTokens(ctx, h.store, h.tls.Pin()); err != nil {
		return err
	}
	h.keys, err = account.OpenKeys(ctx, h.store)
	return err
}

// openJobs makes the observers of settled jobs before the jobs: those that were settled just before a
// sudden end are reported while the jobs are opened.
func (h *house) openJobs(ctx context.Context) error {
	queue, err := job.OpenQueue(ctx, h.store)
	if err != nil {
		return err
	}
	if h.ledger, err = account.OpenLedger(ctx, h.store, queue); err != nil {
		return err
	}
	if h.outbox, err = webhook.OpenOutbox(ctx, h.store, h.outside); err != nil {
		return err
	}
	h.leases = job.NewLeases(h.config.AcceptTimeout, h.config.Lease)
	h.jobs, err = job.Open(ctx, job.Options{
		Store: h.store, Queue: queue, Artifacts: h.artifacts, Leases: h.leases,
		Observers: []job.Observer{h.outbox, h.ledger}, Log: h.log,
	})
	return err
}

func (h *house) openDoors(ctx context.Context) (err error) {
	if h.file, err = offer.OpenFile(h.config.Catalog, httpapi.Names(h.config.Vendors), h.log); err != nil {
		return err
	}
	secret, err := h.dir.Secret("webhook.secret")
	if err != nil {
		return err
	}
	h.offers = offer.New(h.fleet, h.config.Models, h.config.DefaultModel, h.file)
	h.intake = intake.New(ctx.Done(), intake.Options{
		Keys: h.keys, Quotas: account.NewQuotas(h.keys, h.ledger, h.jobs), Jobs: h.jobs, Fleet: h.fleet, Offers: h.offers,
		Artifacts: h.artifacts, Links: h.links, Uploads: h.uploads, Outbox: h.outbox, Outside: h.outside, Log: h.log,
		PublicURL: h.config.PublicURL, KeepAbandoned: h.config.KeepAbandoned,
	})
	h.dialects = httpapi.Mount(h.config.Vendors, h.keys, h.intake, h.log)
	h.signer = webhook.NewSigner(secret)
	h.sender = webhook.NewSender(h.outbox, h.jobs, h.signer, h.dialects.Report(h.links), h.log)
	h.dispatcher = dispatch.New(h.jobs, h.fleet, h.leases, h.config.Heartbeat, h.log)
	h.sweeper = &retention.Sweeper{
		Jobs: h.jobs, Artifacts: h.artifacts, Uploads: h.uploads, Log: h.log,
		Images: h.config.KeepImages, Records: h.config.KeepRecords,
	}
	h.sessions = session.New(ctx, session.Options{
		Fleet: h.fleet, Tokens: h.tokens, Jobs: h.jobs, Leases: h.leases, Version: h.config.Version, Log: h.log,
		Heartbeat: h.config.Heartbeat,
	})
	return nil
}

func (h *house) close() {
	if h.outside != nil {
		h.outside.Close()
	}
	if h.artifacts != nil {
		h.artifacts.Close()
	}
	if h.store != nil {
		h.store.Close()
	}
}

// firstStart makes the admin key and a join token on a data directory that has no key yet, and
// reports whether it did. The file is written before the key is valid: a start that was cut short
// in between goes on with the key in the file.
func (h *house) firstStart(ctx context.Context) (bool, error) {
	if len(h.keys.List()) > 0 {
		return false, nil
	}
	key, err := h.dir.Read(datadir.AdminKey)
	if err != nil {
		return false, err
	}
	if key == "" {
		key = account.NewSecret(account.RoleAdmin)
		if err := h.dir.Write(datadir.AdminKey, key+"\n"); err != nil {
			return false, err
		}
	}
	now := time.Now()
	token, err := h.tokens.Issue(ctx, now)
	if err != nil {
		return false, err
	}
	if err := h.dir.Write(datadir.JoinToken, token.Token+"\n"); err != nil {
		return false, err
	}
	_, err = h.keys.Add(ctx, key, account.Key{Role: account.RoleAdmin, Name: account.FirstAdmin, CreatedAt: now.UTC()})
	return true, err
}
