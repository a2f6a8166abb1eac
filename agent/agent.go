// Package agent is the service on a node: it keeps a session with the coordinator, runs the attempts
// it is given in runtime subprocesses, and keeps every result on disk until the coordinator has
// recorded it.
//
// The parts and what they own: [Run] starts and stops everything; a session is one websocket, and
// jobs outlive it; slots own the attempts that are held; the spool is their directory; a maker works
// on each; supervised owns one runtime subprocess.
package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/easelgrid/easel/agent/settings"
	"github.com/easelgrid/easel/internal/disk"
)

// agent is what Run works with.
type agent struct {
	config   Config
	log      *slog.Logger
	key      ed25519.PrivateKey
	token    settings.Token
	endpoint *endpoint
	devices  *devices
	runtimes *runtimes
	slots    *slots
	lease    *lease
	changed  chan struct{} // holds a token when a runtime describes itself differently

	joined bool // the coordinator knows our key; stay's alone

	mu     sync.Mutex
	nodeID string
}

// Run is an agent from its start to its end. When ctx ends it drains: it takes nothing new, finishes
// what runs, delivers it, waits until that is recorded and returns nil. Config.DrainTimeout bounds
// this; what is not finished by then fails as stopped.
//
// Errors that time cannot heal end it early: a *[Refused], [ErrInUse], [ErrNoRuntime],
// [ErrCertificate], and an *api.Error that lists what is wrong with the configuration.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	lock, err := lockData(c.Data)
	if err != nil {
		return err
	}
	defer lock.Close()
	a, entries, err := newAgent(c)
	if err != nil {
		return err
	}
	defer a.endpoint.close()
	return a.run(ctx, entries)
}

// lockData takes the data directory for this process, until the lock is closed.
func lockData(dir string) (io.Closer, error) {
	lock, err := disk.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return lock, nil
}

// newAgent reads what the data directory holds and puts the parts together. Nothing runs yet.
func newAgent(c Config) (*agent, []*entry, error) {
	key, err := loadKey(c.Data)
	if err != nil {
		return nil, nil, err
	}
	a := &agent{config: c, log: c.Log, key: key, changed: make(chan struct{}, 1)}
	if err := a.recall(); err != nil {
		return nil, nil, err
	}
	spool, err := openSpool(c.Data, c.Log)
	if err != nil {
		return nil, nil, err
	}
	entries, err := spool.load()
	if err != nil {
		return nil, nil, err
	}
	a.devices = newDevices(c.Probe, c.Log)
	a.runtimes = newRuntimes(c, a.describe)
	m := &maker{
		runtimes: a.runtimes, devices: a.devices, uploads: &uploader{endpoint: a.endpoint, log: c.Log},
		free: make(chan int, c.Slots), key: key, nodeID: a.id, previewEvery: c.PreviewEvery, log: c.Log,
	}
	for i := range c.Slots {
		m.free <- i
	}
	a.slots = newSlots(c.Slots, spool, c.Log, a.runtimes.check, m.work)
	m.slots = a.slots
	a.lease = newLease(a.slots.expire)
	return a, entries, nil
}

// recall finds out which coordinator this is and whether the node has joined it before.
func (a *agent) recall() error {
	base, err := settings.ParseCoordinator(a.config.Coordinator)
	if err != nil {
		return err
	}
	if a.token, err = settings.ParseToken(a.config.JoinToken); err != nil {
		return err
	}
	known, err := loadMembership(a.config.Data)
	if err != nil {
		return err
	}
	fingerprint := a.token.Fingerprint
	if a.token.Text == "" {
		fingerprint = known.Fingerprint
	}
	a.nodeID = known.NodeID
	a.joined = known.NodeID != "" && known.Coordinator == base.String() && known.Fingerprint == fingerprint
	a.endpoint, err = newEndpoint(base, fingerprint)
	return err
}

// run starts the parts from the inside out and stops them the other way round.
func (a *agent) run(ctx context.Context, entries []*entry) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	a.devices.read(ctx)
	startErr := a.runtimes.start(ctx)
	select {
	case <-a.changed: // the first descriptions go into the registration anyway
	default:
	}
	var inner sync.WaitGroup
	inner.Go(func() { a.runtimes.run(life) })
	inner.Go(func() { a.devices.run(life) })
	inner.Go(func() { a.lease.run(life) })
	defer inner.Wait()
	defer end()
	if ctx.Err() != nil {
		return nil
	}
	if startErr != nil {
		return startErr
	}
	a.slots.restore(entries)
	return a.serve(ctx)
}

// serve keeps the session until ctx ends and then drains, or until an error that cannot heal.
func (a *agent) serve(ctx context.Context) error {
	stay, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	ended := make(chan error, 1)
	go func() {
		ended <- a.stay(stay)
		leave()
	}()
	select {
	case <-ctx.Done():
		a.drain(stay)
	case <-stay.Done():
	}
	leave()
	err := <-ended
	a.slots.stop()
	a.slots.group.Wait()
	return err
}

// id is this node's name, as the coordinator gave it.
func (a *agent) id() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nodeID
}

// describe asks for a new registration, because what the node can do has changed.
func (a *agent) describe() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
