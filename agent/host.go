package agent

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"

	"github.com/easelgrid/easel/api"
)

// This file is all the agent knows of gopsutil. What a system does not report (several calls are not
// implemented on darwin without cgo) stays zero: facts about the host decide nothing.

// hostFacts describes this machine.
func hostFacts(ctx context.Context) api.Host {
	facts := api.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU()}
	facts.Name, _ = os.Hostname()
	if info, err := host.InfoWithContext(ctx); err == nil {
		facts.Platform = strings.TrimSpace(info.Platform + " " + info.PlatformVersion)
		facts.Kernel = info.KernelVersion
	}
	facts.CPU = cpuName(ctx)
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		facts.Memory = m.Total
	}
	return facts
}

func cpuName(ctx context.Context) string {
	if info, err := cpu.InfoWithContext(ctx); err == nil && len(info) > 0 {
		return info[0].ModelName
	}
	return ""
}

// cpuDevice presents the processor as a device, for machines where no GPU serves.
func cpuDevice(ctx context.Context) api.Device {
	device := api.Device{Kind: "cpu", Name: cmp.Or(cpuName(ctx), runtime.GOARCH+" CPU")}
	id, err := host.HostIDWithContext(ctx)
	if err != nil || id == "" {
		id, _ = os.Hostname()
	}
	device.UUID = "CPU-" + id
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		device.VRAM, device.VRAMUsed = m.Total, m.Used
	}
	// Since the last call; the first one has nothing to compare with and gives 0.
	if percent, err := cpu.PercentWithContext(ctx, 0, false); err == nil && len(percent) > 0 {
		device.Utilization = percent[0] / 100
	}
	return device
}
