//go:build linux && cgo

package gpu

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// nvmlDriver reads NVML through NVIDIA's own binding, which needs cgo and Linux.
type nvmlDriver struct{ library nvml.Interface }

// openNVML returns nil without an error where there is no driver.
func openNVML() (driver, error) {
	library := nvml.New()
	switch result := library.Init(); result {
	case nvml.SUCCESS:
		return nvmlDriver{library}, nil
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, nil
	default:
		return nil, fmt.Errorf("start NVML: %w", failure(result))
	}
}

// failure makes an error of a result, nil of success. It names the number and not the text: asking
// the library for the text may itself fail where the library could not be loaded.
func failure(result nvml.Return) error { return nvmlError(uint32(result)) }

func (d nvmlDriver) Close() { d.library.Shutdown() }

func (d nvmlDriver) Version() (string, error) {
	v, result := d.library.SystemGetDriverVersion()
	return v, failure(result)
}

func (d nvmlDriver) Count() (int, error) {
	n, result := d.library.DeviceGetCount()
	return n, failure(result)
}

func (d nvmlDriver) Device(index int) (handle, error) {
	h, result := d.library.DeviceGetHandleByIndex(index)
	return nvmlHandle{h}, failure(result)
}

type nvmlHandle struct{ device nvml.Device }

func (h nvmlHandle) UUID() (string, error) {
	v, result := h.device.GetUUID()
	return v, failure(result)
}

func (h nvmlHandle) Name() (string, error) {
	v, result := h.device.GetName()
	return v, failure(result)
}

func (h nvmlHandle) PCI() (string, error) {
	v, result := h.device.GetPciInfo()
	address := make([]byte, 0, len(v.BusId))
	for _, c := range v.BusId { // C's char, whose sign depends on the machine
		address = append(address, byte(c))
	}
	return text(address), failure(result)
}

func (h nvmlHandle) Memory() (total, used uint64, err error) {
	v, result := h.device.GetMemoryInfo()
	return v.Total, v.Used, failure(result)
}

func (h nvmlHandle) Utilization() (uint32, error) {
	v, result := h.device.GetUtilizationRates()
	return v.Gpu, failure(result)
}

func (h nvmlHandle) Temperature() (uint32, error) {
	v, result := h.device.GetTemperature(nvml.TEMPERATURE_GPU)
	return v, failure(result)
}

func (h nvmlHandle) Power() (uint32, error) {
	v, result := h.device.GetPowerUsage()
	return v, failure(result)
}

func (h nvmlHandle) Compute() (major, minor int, err error) {
	major, minor, result := h.device.GetCudaComputeCapability()
	return major, minor, failure(result)
}
