// Command engine measures the builtin engine on the shipped model, and beside it PyTorch with diffusers on the same
// model, processor and number of threads. scripts/bench engine runs it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

const document = "docs/performance.md"

func main() {
	var o options
	flag.StringVar(&o.python, "python", os.Getenv("EASEL_PYTHON"), "a Python that has torch and diffusers; EASEL_PYTHON by default. Without one only the engine is measured")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds; each measures everything once, and the best counts")
	write := flag.Bool("write", false, "put the table into "+document)
	half := flag.String("half", "", "be the measuring process of the engine with this implementation of matrix products (internal)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, *half, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench engine:", err)
		os.Exit(1)
	}
}

type options struct {
	python string
	rounds int
}

func run(ctx context.Context, o options, half string, write bool) error {
	if half != "" {
		return measureEngine(ctx, half)
	}
	if write && o.python == "" {
		return fmt.Errorf("the table in %s has PyTorch in it: set EASEL_PYTHON, or -python, to a Python that has torch and diffusers", document)
	}
	all, err := measure(ctx, o)
	if err != nil {
		return err
	}
	table := report(o, all)
	fmt.Print(table)
	if o.python == "" {
		fmt.Println("\nPyTorch was not measured: set EASEL_PYTHON, or -python, to a Python that has torch and diffusers.")
	}
	if write {
		return put(table)
	}
	return nil
}

const begin, end = "<!-- scripts/bench engine: begin -->\n", "<!-- scripts/bench engine: end -->\n"

// put replaces what is between the marks.
func put(table string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no marks for the table", document)
	}
	var b bytes.Buffer
	b.WriteString(before + begin + "\n" + table + "\n" + end + after)
	return os.WriteFile(document, b.Bytes(), 0o644)
}
