//go:build (windows || (linux && !cgo)) && (amd64 || arm64)

package gpu

import (
	"errors"
	"fmt"

	"github.com/ebitengine/purego"
)

// nvmlTable is NVML's functions (nvml.h), found by name in a library that loadNVML opened. It is the
// driver where go-nvml does not compile. A nil function is one the installed library does not have.
type nvmlTable struct {
	start       func() uint32
	shutdown    func() uint32
	version     func(text *byte, length uint32) uint32
	count       func(*uint32) uint32
	device      func(index uint32, device *uintptr) uint32
	uuid        func(device uintptr, text *byte, length uint32) uint32
	name        func(device uintptr, text *byte, length uint32) uint32
	pci         func(device uintptr, info *nvmlPCI) uint32
	memory      func(device uintptr, info *nvmlMemory) uint32
	utilization func(device uintptr, info *nvmlUtilization) uint32
	temperature func(device uintptr, sensor uint32, celsius *uint32) uint32
	power       func(device uintptr, milliwatts *uint32) uint32
	compute     func(device uintptr, major, minor *int32) uint32
}

// The structs of nvml.h, field for field.
type (
	nvmlPCI struct {
		legacy                                   [16]byte
		domain, bus, device, deviceID, subsystem uint32
		address                                  [32]byte
	}
	nvmlMemory      struct{ total, free, used uint64 }
	nvmlUtilization struct{ gpu, memory uint32 }
)

const (
	nvmlDriverNotLoaded = 9
	nvmlSensorGPU       = 0
)

var errNoFunction = errors.New("NVML: the library lacks this function")

// openNVML returns nil without an error where there is no driver.
func openNVML() (driver, error) {
	library, ok := loadNVML()
	if !ok {
		return nil, nil
	}
	t := bindNVML(library)
	if t.start == nil || t.shutdown == nil || t.count == nil || t.device == nil {
		return nil, fmt.Errorf("start NVML: %w", errNoFunction)
	}
	switch result := t.start(); result {
	case 0:
		return t, nil
	case nvmlDriverNotLoaded:
		return nil, nil
	default:
		return nil, fmt.Errorf("start NVML: %w", nvmlError(result))
	}
}

func bindNVML(library uintptr) *nvmlTable {
	t := &nvmlTable{}
	for name, function := range map[string]any{
		"nvmlInit_v2":                        &t.start,
		"nvmlShutdown":                       &t.shutdown,
		"nvmlSystemGetDriverVersion":         &t.version,
		"nvmlDeviceGetCount_v2":              &t.count,
		"nvmlDeviceGetHandleByIndex_v2":      &t.device,
		"nvmlDeviceGetUUID":                  &t.uuid,
		"nvmlDeviceGetName":                  &t.name,
		"nvmlDeviceGetPciInfo_v3":            &t.pci,
		"nvmlDeviceGetMemoryInfo":            &t.memory,
		"nvmlDeviceGetUtilizationRates":      &t.utilization,
		"nvmlDeviceGetTemperature":           &t.temperature,
		"nvmlDeviceGetPowerUsage":            &t.power,
		"nvmlDeviceGetCudaComputeCapability": &t.compute,
	} {
		if address, ok := symbol(library, name); ok {
			purego.RegisterFunc(function, address)
		}
	}
	return t
}

func (t *nvmlTable) Close() { t.shutdown() }

func (t *nvmlTable) Version() (string, error) {
	if t.version == nil {
		return "", errNoFunction
	}
	var buffer [80]byte
	err := nvmlError(t.version(&buffer[0], uint32(len(buffer))))
	return text(buffer[:]), err
}

func (t *nvmlTable) Count() (int, error) {
	var n uint32
	err := nvmlError(t.count(&n))
	return int(n), err
}

func (t *nvmlTable) Device(index int) (handle, error) {
	h := nvmlHandle{table: t}
	err := nvmlError(t.device(uint32(index), &h.device))
	return h, err
}

// nvmlHandle is nvmlDevice_t with the functions that take it.
type nvmlHandle struct {
	table  *nvmlTable
	device uintptr
}

func (h nvmlHandle) UUID() (string, error) { return h.text(h.table.uuid) }
func (h nvmlHandle) Name() (string, error) { return h.text(h.table.name) }

func (h nvmlHandle) text(function func(uintptr, *byte, uint32) uint32) (string, error) {
	if function == nil {
		return "", errNoFunction
	}
	var buffer [96]byte
	err := nvmlError(function(h.device, &buffer[0], uint32(len(buffer))))
	return text(buffer[:]), err
}

func (h nvmlHandle) PCI() (string, error) {
	info, err := filled(h, h.table.pci)
	return text(info.address[:]), err
}

func (h nvmlHandle) Memory() (total, used uint64, err error) {
	info, err := filled(h, h.table.memory)
	return info.total, info.used, err
}

func (h nvmlHandle) Utilization() (uint32, error) {
	info, err := filled(h, h.table.utilization)
	return info.gpu, err
}

func (h nvmlHandle) Power() (uint32, error) { return filled(h, h.table.power) }

// filled calls a function that fills in one value.
func filled[T any](h nvmlHandle, function func(uintptr, *T) uint32) (T, error) {
	var value T
	if function == nil {
		return value, errNoFunction
	}
	err := nvmlError(function(h.device, &value))
	return value, err
}

func (h nvmlHandle) Temperature() (uint32, error) {
	if h.table.temperature == nil {
		return 0, errNoFunction
	}
	var celsius uint32
	err := nvmlError(h.table.temperature(h.device, nvmlSensorGPU, &celsius))
	return celsius, err
}

func (h nvmlHandle) Compute() (major, minor int, err error) {
	if h.table.compute == nil {
		return 0, 0, errNoFunction
	}
	var a, b int32
	err = nvmlError(h.table.compute(h.device, &a, &b))
	return int(a), int(b), err
}
