package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// buildStub compiles the NVML stand-in and makes the loader of child processes find it.
func buildStub(t *testing.T) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no C compiler (cc): CI must have one")
		}
		t.Skip("no C compiler (cc) to build the NVML stand-in with")
	}
	dir := t.TempDir()
	command(t, nil, cc, "-shared", "-fPIC", "-Wall", "-Werror", "-o", filepath.Join(dir, "libnvidia-ml.so.1"), "testdata/nvml.c")
	t.Setenv("LD_LIBRARY_PATH", dir)
}

// buildProbe builds the probe command with or without cgo, which chooses the adapter.
func buildProbe(t *testing.T, cgo string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	output := command(t, []string{"CGO_ENABLED=" + cgo}, "go", "build", "-o", path, "./testdata/probe")
	if output != "" {
		t.Errorf("CGO_ENABLED=%s: the build is not silent: %s", cgo, output)
	}
	return path
}

func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), env...)
	output, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}

// adapters are the two ways to NVML on Linux, by what CGO_ENABLED chooses.
var adapters = []struct{ name, cgo string }{{"go-nvml", "1"}, {"purego", "0"}}

func TestBothAdaptersReportTheSameDevices(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skipf("no NVML without cgo on %s", runtime.GOARCH)
	}
	buildStub(t)
	want := []Device{
		{
			UUID: "GPU-11111111-1111-1111-1111-111111111111", Name: "NVIDIA H200", Kind: "cuda", Driver: "580.65.06",
			VRAM: 141 << 30, VRAMUsed: 1 << 30, Utilization: new(0.37), Temperature: new(41.0), Power: new(123.456),
			Compute: "9.0", PCI: "00000000:01:00.0",
		},
		{
			UUID: "GPU-22222222-2222-2222-2222-222222222222", Name: "NVIDIA T4", Kind: "cuda", Driver: "580.65.06",
			VRAM: 16 << 30, VRAMUsed: 1 << 30, Temperature: new(42.0), Compute: "7.5", PCI: "00000000:02:00.0",
		},
	}
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) {
			probe := buildProbe(t, a.cgo)
			got, err := Detect(t.Context(), []string{probe})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(near)); diff != "" {
				t.Error(diff)
			}
			checkFaults(t, probe)
		})
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

// checkFaults runs a probe where the driver is absent, not loaded, or crashes its caller.
func checkFaults(t *testing.T, probe string) {
	t.Helper()
	t.Setenv("NVML_STUB", "unloaded")
	if devices, err := Detect(t.Context(), []string{probe}); err != nil || len(devices) > 0 {
		t.Errorf("driver not loaded: got %v, %v, want an empty list", devices, err)
	}
	t.Setenv("NVML_STUB", "crash")
	if devices, err := Detect(t.Context(), []string{probe}); err == nil {
		t.Errorf("driver crashes: got %v, want an error", devices)
	}
	t.Setenv("NVML_STUB", "")
	t.Setenv("LD_LIBRARY_PATH", t.TempDir())
	if devices, err := Detect(t.Context(), []string{probe}); err != nil || hasStub(devices) {
		t.Errorf("no library: got %v, %v, want an empty list", devices, err)
	}
}

// hasStub reports whether the stand-in answered; a machine with a real driver has other devices.
func hasStub(devices []Device) bool {
	for _, d := range devices {
		if strings.HasPrefix(d.UUID, "GPU-11111111-1111") {
			return true
		}
	}
	return false
}
