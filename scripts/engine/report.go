package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// report is the tables in Markdown.
func report(o options, all []*half) string {
	var b strings.Builder
	command := "scripts/bench engine -write"
	if o.python != "" {
		command = "EASEL_PYTHON=python " + command
	}
	fmt.Fprintf(&b, "Made by `%s`, best of %d rounds, on %s, %d cores; %s", command, o.rounds, processor(), runtime.NumCPU(), runtime.Version())
	for _, h := range all {
		if h.name == python {
			fmt.Fprintf(&b, ", %s", h.about.Version)
			break
		}
	}
	b.WriteString(".\n\n| | threads |")
	list := names(o)
	for _, name := range list {
		fmt.Fprintf(&b, " %s |", title(name))
	}
	if o.python != "" {
		b.WriteString(" PyTorch / engine |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---:|", len(list)))
	if o.python != "" {
		b.WriteString("---:|")
	}
	b.WriteString("\n")
	for _, m := range []struct{ name, title string }{{"picture", "picture, 20 steps"}, {"step", "guided step of the UNet"}, {"decode", "decoding by the VAE"}} {
		for _, threads := range []int{1, 2} {
			row(&b, o, m.title, m.name, threads, all, func(seconds float64) string { return fmt.Sprintf("%.1f ms", 1000*seconds) })
		}
	}
	for _, s := range shapes {
		flop := 2 * float64(s[0]) * float64(s[1]) * float64(s[2])
		row(&b, o, fmt.Sprintf("product %d x %d x %d", s[0], s[1], s[2]), s.String(), 1, all, func(seconds float64) string {
			return fmt.Sprintf("%.1f GFLOP/s", flop/seconds/1e9)
		})
	}
	memory(&b, all)
	return b.String()
}

func title(name string) string {
	if name == python {
		return "PyTorch"
	}
	return "engine, " + name
}

func row(b *strings.Builder, o options, title, name string, threads int, all []*half, format func(float64) string) {
	fmt.Fprintf(b, "| %s | %d |", title, threads)
	var first, torch float64
	for _, h := range all {
		if h.threads != threads {
			continue
		}
		if first == 0 {
			first = h.best[name]
		}
		if h.name == python {
			torch = h.best[name]
		}
		fmt.Fprintf(b, " %s |", format(h.best[name]))
	}
	if o.python != "" {
		fmt.Fprintf(b, " %.2f |", torch/first)
	}
	b.WriteString("\n")
}

func memory(b *strings.Builder, all []*half) {
	const mib = 1 << 20
	a := all[0].about
	fmt.Fprintf(b, "\nThe engine keeps %.1f MiB of weights and %.1f MiB of activations.", float64(a.Weights)/mib, float64(a.Activations)/mib)
	var parts []string
	for _, h := range all {
		if h.threads == 1 && h.about.Resident > 0 {
			parts = append(parts, fmt.Sprintf("%.0f MiB (%s)", float64(h.about.Resident)/1024, title(h.name)))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, " The whole process has had at most this in memory when its first picture is done: %s.", strings.Join(parts, ", "))
	}
	b.WriteString("\n")
}

// processor is the name of the first one, as Linux names it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name\t:"); ok {
			return strings.TrimSpace(name)
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}
