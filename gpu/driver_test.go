package gpu

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripted is a driver with the devices of the test; a nil one cannot be opened.
type scripted struct {
	count   error
	devices []*scriptedHandle
}

func (d scripted) Version() (string, error) { return "580.65.06", nil }
func (d scripted) Count() (int, error)      { return len(d.devices), d.count }
func (d scripted) Close()                   {}
func (d scripted) Device(i int) (handle, error) {
	if d.devices[i] == nil {
		return nil, errGone
	}
	return *d.devices[i], nil
}

var errGone = errors.New("fallen off the bus")

// scriptedHandle reports each value that is not its type's zero.
type scriptedHandle struct {
	uuid, name, pci           string
	total, used               uint64
	percent, celsius, milliwt uint32
	major                     int
}

func reported[T comparable](v T) (T, error) {
	var zero T
	if v == zero {
		return v, errors.New("not supported")
	}
	return v, nil
}

func (h scriptedHandle) UUID() (string, error)        { return reported(h.uuid) }
func (h scriptedHandle) Name() (string, error)        { return reported(h.name) }
func (h scriptedHandle) PCI() (string, error)         { return reported(h.pci) }
func (h scriptedHandle) Utilization() (uint32, error) { return reported(h.percent) }
func (h scriptedHandle) Temperature() (uint32, error) { return reported(h.celsius) }
func (h scriptedHandle) Power() (uint32, error)       { return reported(h.milliwt) }
func (h scriptedHandle) Memory() (total, used uint64, err error) {
	_, err = reported(h.total)
	return h.total, h.used, err
}
func (h scriptedHandle) Compute() (major, minor int, err error) {
	_, err = reported(h.major)
	return h.major, 0, err
}

func TestRead(t *testing.T) {
	whole := &scriptedHandle{"GPU-1", "T4", "0000:01:00.0", 16 << 30, 1 << 30, 50, 41, 70500, 7}
	wholeDevice := Device{
		UUID: "GPU-1", Name: "T4", Kind: "cuda", Driver: "580.65.06", VRAM: 16 << 30, VRAMUsed: 1 << 30,
		Utilization: new(0.5), Temperature: new(41.0), Power: new(70.5), Compute: "7.0", PCI: "0000:01:00.0",
	}
	for _, c := range []struct {
		name   string
		driver scripted
		want   []Device
		fails  bool
	}{
		{name: "no device", driver: scripted{}},
		{name: "everything reported", driver: scripted{devices: []*scriptedHandle{whole}}, want: []Device{wholeDevice}},
		{
			name:   "only an identity",
			driver: scripted{devices: []*scriptedHandle{{uuid: "GPU-2"}}},
			want:   []Device{{UUID: "GPU-2", Kind: "cuda", Driver: "580.65.06"}},
		},
		{
			name:   "no UUID",
			driver: scripted{devices: []*scriptedHandle{{pci: "0000:02:00.0"}}},
			want:   []Device{{UUID: "PCI-0000:02:00.0", PCI: "0000:02:00.0", Kind: "cuda", Driver: "580.65.06"}},
		},
		{
			name:   "one fell off the bus",
			driver: scripted{devices: []*scriptedHandle{nil, whole}},
			want:   []Device{wholeDevice}, fails: true,
		},
		{name: "no identity at all", driver: scripted{devices: []*scriptedHandle{{name: "T4"}}}, fails: true},
		{name: "cannot count", driver: scripted{count: errGone}, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(c.driver)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if (err != nil) != c.fails {
				t.Errorf("error: got %v, want one: %t", err, c.fails)
			}
		})
	}
}
