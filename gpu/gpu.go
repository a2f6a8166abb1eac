// Package gpu finds a machine's GPUs and reads their load, memory, temperature and power.
//
// [Probe] asks the vendor's library in this process. A driver can crash or hang whoever calls it, so
// long-lived programs use [Detect], which lets a short-lived child ask and call [WriteProbe].
package gpu

// A Device is one GPU. Pointers are nil where the device does not report the value.
type Device struct {
	UUID        string   `json:"uuid"` // the vendor's; "PCI-" and the bus address where it has none
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`        // "cuda"
	Driver      string   `json:"driver"`      // version, "" when unknown
	VRAM        uint64   `json:"vram"`        // bytes, 0 when unknown
	VRAMUsed    uint64   `json:"vram_used"`   // bytes, 0 when unknown
	Utilization *float64 `json:"utilization"` // 0..1
	Temperature *float64 `json:"temperature"` // degrees Celsius
	Power       *float64 `json:"power"`       // watts
	Compute     string   `json:"compute"`     // CUDA compute capability such as "9.0", "" when unknown
	PCI         string   `json:"pci"`         // bus address, "" when unknown
}

// Probe reads the devices of this machine. A missing driver is an empty list and not an error.
// Where some devices answer and others do not, both the list and the error are set.
func Probe() ([]Device, error) {
	d, err := openNVML()
	if d == nil || err != nil {
		return nil, err
	}
	defer d.Close()
	return read(d)
}
