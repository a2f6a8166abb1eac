// Command schedulers measures every scheduler with the shipped model and writes the table of
// docs/schedulers.md.
//
//	go run ./scripts/schedulers          prints the table
//	go run ./scripts/schedulers -write   puts it into docs/schedulers.md
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"

	"github.com/easelgrid/easel/runner/builtin/matrix"
	"github.com/easelgrid/easel/runner/builtin/survey"
	"github.com/easelgrid/easel/scripts/internal/between"
)

// The table stands in the document between the two marks.
const (
	document = "docs/schedulers.md"
	begin    = "<!-- measured by scripts/schedulers -->"
	end      = "<!-- end -->"
)

func main() {
	n := flag.Int("n", 50, "prompts for each row")
	only := flag.String("only", "", "rows with this in their name")
	write := flag.Bool("write", false, "put the table into "+document)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	table, err := measure(ctx, *n, *only)
	if err == nil && *write {
		err = between.Write(document, begin, end, table)
	} else if err == nil {
		fmt.Print(table)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schedulers:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, n int, only string) (string, error) {
	s, err := survey.New(ctx)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d held-out prompts a row, 128 x 128 pixels, %s, kernels %s.\n\n", n, runtime.GOARCH, matrix.Name())
	b.WriteString("| scheduler | sigmas | steps | guidance | LoRA | background | colour | shape | s a picture |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range survey.Cases() {
		if !strings.Contains(c.String(), only) {
			continue
		}
		r, err := s.Run(ctx, c, n)
		if err != nil {
			return "", err
		}
		fmt.Fprint(&b, row(r))
		fmt.Fprintf(os.Stderr, "%-40s colour %3.0f %%  shape %3.0f %%\n", c, 100*r.Color(), 100*r.Shape())
	}
	return b.String(), nil
}

func row(r survey.Result) string {
	lora := "-"
	if len(r.Spec.LoRAs) > 0 {
		lora = r.Spec.LoRAs[0].Name
	}
	return fmt.Sprintf("| %s | %s | %d | %g | %s | %.0f %% | %.0f %% | %.0f %% | %.2f |\n",
		r.Scheduler, cmp.Or(r.Sigmas, "own"), r.Spec.Steps, r.Spec.GuidanceScale, lora,
		100*float64(r.Backgrounds)/float64(max(r.Pictures, 1)), 100*r.Color(), 100*r.Shape(), r.SecondsPerPicture)
}
