package gpu

import (
	"errors"
	"fmt"
	"strconv"
)

// A driver is an opened vendor library. There is one implementation for each way to load NVML; all
// of them only fetch values, and read makes devices of them.
type driver interface {
	Version() (string, error)
	Count() (int, error)
	Device(index int) (handle, error)
	Close()
}

// A handle is one device of a driver. Values a device does not report are errors.
type handle interface {
	UUID() (string, error)
	Name() (string, error)
	PCI() (string, error)
	Memory() (total, used uint64, err error) // bytes
	Utilization() (uint32, error)            // percent
	Temperature() (uint32, error)            // degrees Celsius
	Power() (uint32, error)                  // milliwatts
	Compute() (major, minor int, err error)
}

// read asks a driver for all its devices. A device that fell off the bus must not hide the others.
func read(d driver) ([]Device, error) {
	count, err := d.Count()
	if err != nil {
		return nil, fmt.Errorf("count devices: %w", err)
	}
	version, _ := d.Version() // optional: "" when unknown
	var devices []Device
	var failures []error
	for i := range count {
		h, err := d.Device(i)
		if err != nil {
			failures = append(failures, fmt.Errorf("open device %d: %w", i, err))
			continue
		}
		device, err := describe(h)
		if err != nil {
			failures = append(failures, fmt.Errorf("read device %d: %w", i, err))
			continue
		}
		device.Driver = version
		devices = append(devices, device)
	}
	return devices, errors.Join(failures...)
}

// describe reads one device. Only an identity is required: everything else may be unsupported, as
// memory is on chips that share the machine's.
func describe(h handle) (Device, error) {
	device := Device{Kind: "cuda"}
	device.PCI, _ = h.PCI()
	uuid, err := h.UUID()
	switch {
	case err == nil && uuid != "":
		device.UUID = uuid
	case device.PCI != "":
		device.UUID = "PCI-" + device.PCI
	default:
		return Device{}, fmt.Errorf("it has neither UUID nor bus address: %w", err)
	}
	device.Name, _ = h.Name()
	device.VRAM, device.VRAMUsed, _ = h.Memory()
	device.Utilization = scaled(h.Utilization, 1e-2)
	device.Temperature = scaled(h.Temperature, 1)
	device.Power = scaled(h.Power, 1e-3)
	if major, minor, err := h.Compute(); err == nil {
		device.Compute = strconv.Itoa(major) + "." + strconv.Itoa(minor)
	}
	return device, nil
}

func scaled(value func() (uint32, error), unit float64) *float64 {
	v, err := value()
	if err != nil {
		return nil
	}
	return new(float64(v) * unit)
}
