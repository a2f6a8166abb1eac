// Command overhead measures what a dialect costs beside the native API: the same job with a picture of one
// MiB, asked for in turns in every way, through a real coordinator and a real node with the fake runtime.
//
//	go run ./scripts/overhead           prints the table
//	go run ./scripts/overhead -write    puts it into docs/performance.md
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/easelgrid/easel/scripts/internal/between"
)

// The table stands in the document between the two marks.
const (
	document = "docs/performance.md"
	begin    = "<!-- scripts/bench dialects: begin -->"
	end      = "<!-- scripts/bench dialects: end -->"
)

func main() {
	rounds := flag.Int("rounds", 100, "requests of each kind")
	write := flag.Bool("write", false, "put the table into "+document)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table, err := measure(ctx, *rounds)
	if err == nil && *write {
		err = between.Write(document, begin, end, table)
	} else if err == nil {
		fmt.Print(table)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "overhead:", err)
		os.Exit(1)
	}
}

// measure takes turns, so that whatever else the machine does falls on all alike.
func measure(ctx context.Context, rounds int) (string, error) {
	g, err := startGrid(ctx)
	if err != nil {
		return "", err
	}
	defer g.stop()
	times := map[string][]time.Duration{}
	for round := range rounds + 3 { // the first ones warm up
		for _, w := range ways {
			started := time.Now()
			size, err := w.ask(ctx, g)
			if err != nil {
				return "", fmt.Errorf("%s: %w", w.name, err)
			}
			if size < 1<<20 {
				return "", fmt.Errorf("%s: a picture of %d bytes, want one MiB", w.name, size)
			}
			if round >= 3 {
				times[w.name+w.reply] = append(times[w.name+w.reply], time.Since(started))
			}
		}
	}
	return table(times, rounds), nil
}

func table(times map[string][]time.Duration, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `scripts/bench dialects -write`: %d requests each, in turns, one at a time, on %d cores.\n\n", rounds, runtime.NumCPU())
	b.WriteString("| API | reply | p50 | p99 | p50 over native | p99 over native |\n|---|---|---:|---:|---:|---:|\n")
	native := times[ways[0].name+ways[0].reply]
	for _, w := range ways {
		all := times[w.name+w.reply]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %+.1f ms | %+.1f ms |\n", w.name, w.reply, ms(at(all, 50)), ms(at(all, 99)),
			1000*(at(all, 50)-at(native, 50)).Seconds(), 1000*(at(all, 99)-at(native, 99)).Seconds())
	}
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", 1000*d.Seconds()) }

// at is a percentile.
func at(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}
