// Command engine measures the builtin engine on the shipped model, and beside it PyTorch with diffusers on the same
// model, processor and number of threads. scripts/bench engine runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/easelgrid/easel/scripts/internal/between"
)

// The table stands in the document between the two marks.
const (
	document = "docs/performance.md"
	begin    = "<!-- scripts/bench engine: begin -->"
	end      = "<!-- scripts/bench engine: end -->"
)

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
		return between.Write(document, begin, end, table)
	}
	return nil
}
