package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const envProbe = "GPU_TEST_PROBE"

// TestMain makes the test binary the probe that Detect starts, with the fault that is asked for.
func TestMain(m *testing.M) {
	switch os.Getenv(envProbe) {
	case "":
		os.Exit(m.Run())
	case "one":
		fmt.Println(`{"devices":[{"uuid":"GPU-1","vram":5,"future":true}]}`)
	case "partial":
		fmt.Println(`{"devices":[{"uuid":"GPU-1"}],"error":"device 1 is gone"}`)
	case "garbage":
		fmt.Println("not JSON")
	case "flood":
		for range 3 << 10 {
			fmt.Println(strings.Repeat("x", 1<<10))
		}
	case "crash":
		fmt.Fprintln(os.Stderr, "driver went mad")
		os.Exit(3)
	case "hang":
		<-time.After(time.Minute)
	}
	os.Exit(0)
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		probe   string
		devices int
		fails   string
	}{
		{"one", 1, ""},
		{"partial", 1, "device 1 is gone"},
		{"garbage", 0, "the probe's answer"},
		{"flood", 0, "the probe's answer"},
		{"crash", 0, "driver went mad"},
	} {
		t.Run(c.probe, func(t *testing.T) {
			t.Setenv(envProbe, c.probe)
			devices, err := Detect(t.Context(), []string{os.Args[0]})
			if len(devices) != c.devices {
				t.Errorf("got %d devices, want %d", len(devices), c.devices)
			}
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("error: got %v, want %q in it", err, c.fails)
			}
		})
	}
}

func TestDetectStopsAProbeThatHangs(t *testing.T) {
	t.Setenv(envProbe, "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Detect(ctx, []string{os.Args[0]}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline error", err)
	}
}

func TestDetectNeedsACommand(t *testing.T) {
	for _, command := range [][]string{nil, {"/no/such/program"}} {
		if _, err := Detect(t.Context(), command); err == nil {
			t.Errorf("%q: want an error", command)
		}
	}
}
