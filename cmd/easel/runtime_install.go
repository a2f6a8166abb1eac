package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
)

// installFlags are how to install a runtime.
type installFlags struct {
	python, index string
	verbose       bool
}

func runtimeInstallCommand() *cobra.Command {
	var flags installFlags
	c := &cobra.Command{
		Use:   "install NAME",
		Short: "Install a runtime that is not in this binary: " + strings.Join(installable(), ", "),
		Long: `Makes a Python environment with PyTorch and diffusers. Every package is pinned and its hash is checked. It needs
Python 3.11 to 3.14, up to 8 GB of disk and a few minutes. If it is interrupted, run it again: what was downloaded
is kept. pip's own settings apply (PIP_INDEX_URL, PIP_FIND_LINKS, a proxy). EASEL_HOME moves the environment elsewhere.`,
		Example: `  easel runtime install diffusers
  easel runtime install diffusers --python python3.12 --index-url https://mirror.example/simple`,
		Args: oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			switch d, ok := findRuntime(args[0]); {
			case !ok:
				return usageError{fmt.Errorf("runtime: got %s, want %s", api.Quote(args[0]), strings.Join(installable(), " or "))}
			case d.install == nil:
				return usageError{fmt.Errorf("runtime %s is in this binary: there is nothing to install", d.name)}
			default:
				return d.install(c, flags)
			}
		},
	}
	c.Flags().StringVar(&flags.python, "python", "", "the `PYTHON` to use, 3.11 to 3.14")
	c.Flags().StringVar(&flags.index, "index-url", "", "`URL` of another package index")
	c.Flags().BoolVar(&flags.verbose, "verbose", false, "print pip's output instead of a progress bar")
	return c
}

// installable are the runtimes that are not in this binary.
func installable() []string { return namesOf(func(d descriptor) bool { return d.install != nil }) }
