package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

func runtimeListCommand() *cobra.Command {
	var (
		flags  runtimeFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the runtimes of this machine and what they have",
		Example: "  easel runtime list\n  easel runtime list --model-dir models/sdxl --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []listedRuntime
			for _, d := range runtimes {
				if d.listed {
					all = append(all, lookAt(c.Context(), d, flags))
				}
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), all)
			}
			return writeRuntimes(c.OutOrStdout(), all)
		},
	}
	flags.register(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// listedRuntime describes a runtime, or why it cannot be used.
type listedRuntime struct {
	Name      string       `json:"name"`
	Installed bool         `json:"installed"`
	Where     string       `json:"where,omitempty"`
	Problem   string       `json:"problem,omitempty"`
	Runtime   *api.Runtime `json:"runtime,omitempty"`
}

// lookAt starts a runtime, takes what it reports of itself, and stops it. Flags that are for another runtime do not
// concern it.
func lookAt(ctx context.Context, d descriptor, flags runtimeFlags) listedRuntime {
	l := listedRuntime{Name: d.name, Installed: true}
	command, err := flags.command(d.name)
	if err != nil {
		l.Installed, l.Problem = d.missing == nil || !errors.Is(err, d.missing), err.Error()
		return l
	}
	l.Where = command[0]
	process, err := runner.Start(ctx, runner.Options{Command: command})
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	defer process.Stop(context.WithoutCancel(ctx))
	info := process.Runtime()
	l.Runtime = &info
	return l
}

func writeRuntimes(out io.Writer, all []listedRuntime) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVERSION\tMODELS\tWHERE")
	for _, l := range all {
		if l.Runtime == nil {
			fmt.Fprintf(w, "%s\t-\t-\t%s\n", l.Name, plain(firstLine(l.Problem)))
			continue
		}
		var models []string
		for _, m := range l.Runtime.Models {
			models = append(models, fmt.Sprintf("%s (%s)", plain(m.Name), plain(m.Architecture)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, plain(l.Runtime.Version), strings.Join(models, ", "), l.Where)
	}
	return w.Flush()
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}
