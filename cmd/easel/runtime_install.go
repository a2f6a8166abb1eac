package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner/diffusers"
)

func runtimeInstallCommand() *cobra.Command {
	var (
		python, index string
		verbose       bool
	)
	c := &cobra.Command{
		Use:   "install NAME",
		Short: "Install a runtime that is not in this binary: diffusers",
		Long: `Makes a Python environment with PyTorch and diffusers. Every package is pinned and its hash is checked. It needs
Python 3.11 to 3.14 and takes up to 8 GB and some minutes; interrupted, it begins again with what it has downloaded.
pip's own settings hold (PIP_INDEX_URL, PIP_FIND_LINKS, a proxy). EASEL_HOME moves the environment elsewhere.`,
		Example: `  easel runtime install diffusers
  easel runtime install diffusers --python python3.12 --index-url https://mirror.example/simple`,
		Args: oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			if _, ok := runtimes[args[0]]; ok {
				return usageError{fmt.Errorf("runtime %s is in this binary: there is nothing to install", args[0])}
			}
			if args[0] != "diffusers" {
				return usageError{fmt.Errorf("runtime: got %s, want diffusers", api.Quote(args[0]))}
			}
			home, err := runtimeHome("diffusers")
			if err != nil {
				return err
			}
			started := time.Now()
			progress := &installBar{out: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
			o := diffusers.Installation{Home: home, Python: python, IndexURL: index, Progress: progress.show}
			if verbose {
				o.Log, o.Progress = os.Stderr, nil
			}
			e, err := diffusers.Install(c.Context(), o)
			progress.clear()
			if err != nil {
				return fmt.Errorf("install diffusers: %w", err)
			}
			return installed(c.OutOrStdout(), e, time.Since(started))
		},
	}
	c.Flags().StringVar(&python, "python", "", "the `PYTHON` to make it with, 3.11 to 3.14")
	c.Flags().StringVar(&index, "index-url", "", "`URL` of another package index")
	c.Flags().BoolVar(&verbose, "verbose", false, "print what pip says instead of a progress bar")
	return c
}

func installed(out io.Writer, e diffusers.Environment, took time.Duration) error {
	v := e.Versions
	_, err := fmt.Fprintf(out, "diffusers %s, torch %s, transformers %s on Python %s\n%s\n%.0f s. Try it: easel runtime check diffusers\n",
		v["diffusers"], v["torch"], v["transformers"], v["python"], filepath.Dir(filepath.Dir(e.Python())), took.Seconds())
	return err
}

// installBar shows an installation on one line of a terminal; elsewhere it prints a line for each phase.
type installBar struct {
	out      *os.File
	terminal bool
	phase    string
	shown    bool
}

func (b *installBar) show(p diffusers.Progress) {
	if !b.terminal {
		if p.Phase != b.phase {
			fmt.Fprintf(b.out, "%s\n", p.Phase)
		}
		b.phase = p.Phase
		return
	}
	b.shown = true
	fmt.Fprint(b.out, "\r\x1b[K"+installLine(p))
}

func installLine(p diffusers.Progress) string {
	if p.Total == 0 {
		return p.Phase + " ..."
	}
	filled := barWidth * min(max(p.Done, 0), p.Total) / p.Total
	return fmt.Sprintf("%-11s  \x1b[36m%s\x1b[2m%s\x1b[0m %d/%d packages  %s", p.Phase,
		strings.Repeat("━", filled), strings.Repeat("━", barWidth-filled), p.Done, p.Total, plain(p.Package))
}

func (b *installBar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

// isInstalled tells a runtime that is missing from one that is broken.
func isInstalled(err error) bool { return !errors.Is(err, diffusers.ErrNotInstalled) }
