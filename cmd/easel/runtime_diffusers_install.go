package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/easelgrid/easel/runner/diffusers"
)

func installDiffusers(c *cobra.Command, flags installFlags) error {
	home, err := runtimeHome("diffusers")
	if err != nil {
		return err
	}
	started := time.Now()
	progress := &installBar{out: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	o := diffusers.Installation{Home: home, Python: flags.python, IndexURL: flags.index, Progress: progress.show}
	if flags.verbose {
		o.Log, o.Progress = os.Stderr, nil
	}
	e, err := diffusers.Install(c.Context(), o)
	progress.clear()
	if err != nil {
		return fmt.Errorf("install diffusers: %w", err)
	}
	return installed(c.OutOrStdout(), e, time.Since(started))
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
