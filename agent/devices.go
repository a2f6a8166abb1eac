package agent

import (
	"context"
	"log/slog"
	"sync"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/gpu"
)

// devices keeps the last readings of this node's devices. Reading can take as long as a broken
// driver likes, so it happens beside the heartbeats and never in them.
type devices struct {
	probe []string // for gpu.Detect; nil means no GPU is looked for
	log   *slog.Logger
	ask   chan struct{}

	mu   sync.Mutex
	last []api.Device
	cpu  api.Device
}

func newDevices(probe []string, log *slog.Logger) *devices {
	return &devices{probe: probe, log: log, ask: make(chan struct{}, 1)}
}

// run reads the devices whenever refresh asked for it, until ctx ends.
func (d *devices) run(ctx context.Context) {
	for {
		select {
		case <-d.ask:
			d.read(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refresh asks for new readings and does not wait for them. One request covers all those before it.
func (d *devices) refresh() {
	select {
	case d.ask <- struct{}{}:
	default:
	}
}

// read takes new readings. A failing probe keeps the last ones: a GPU does not become a CPU because
// its driver was slow once.
func (d *devices) read(ctx context.Context) {
	processor := cpuDevice(ctx)
	found, err := d.detect(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		d.log.Warn("devices could not be read", "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cpu = processor
	switch {
	case len(found) > 0:
		d.last = found
	case err == nil || len(d.last) == 0 || d.last[0].Kind == "cpu":
		d.last = []api.Device{processor}
	}
}

func (d *devices) detect(ctx context.Context) ([]api.Device, error) {
	if d.probe == nil {
		return nil, nil
	}
	found, err := gpu.Detect(ctx, d.probe)
	all := make([]api.Device, len(found))
	for i, g := range found {
		all[i] = api.Device{
			UUID: g.UUID, Name: g.Name, Kind: g.Kind, Driver: g.Driver, VRAM: g.VRAM, VRAMUsed: g.VRAMUsed,
			Utilization: known(g.Utilization), Temperature: known(g.Temperature), Power: known(g.Power),
			Compute: g.Compute, PCI: g.PCI,
		}
	}
	return all, err
}

func known(value *float64) float64 {
	if value == nil {
		return 0
	}
	return *value
}

// readings returns the last readings.
func (d *devices) readings() []api.Device {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// made returns the UUID of the device that a runtime on this slot reported to have computed on. An engine may
// use the CPU of a machine that has GPUs; a receipt must not call that a GPU's work.
func (d *devices) made(by string, slot int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, device := range d.last {
		if device.UUID == by {
			return by
		}
	}
	if by == "cpu" || len(d.last) == 0 {
		return d.cpu.UUID
	}
	return d.last[slot%len(d.last)].UUID
}
