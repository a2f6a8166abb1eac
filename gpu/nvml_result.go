//go:build windows || linux

package gpu

import (
	"bytes"
	"fmt"
)

// nvmlError makes an error of NVML's nvmlReturn_t (nvml.h); nil of success.
func nvmlError(result uint32) error {
	switch result {
	case 0:
		return nil
	case 3:
		return fmt.Errorf("NVML: not supported")
	case 15:
		return fmt.Errorf("NVML: the device has fallen off the bus")
	}
	return fmt.Errorf("NVML: result %d", result)
}

// text reads a C string that ends at a NUL or with its buffer.
func text(buffer []byte) string {
	before, _, _ := bytes.Cut(buffer, []byte{0})
	return string(before)
}
