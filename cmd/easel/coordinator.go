package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/runner/builtin"
)

func coordinatorCommand() *cobra.Command {
	var (
		config    coordinator.Config
		logs      logFlags
		asJSON    bool
		withStdin bool
	)
	c := &cobra.Command{
		Use:   "coordinator --data DIR --listen ADDR",
		Short: "Accept jobs and place them on nodes",
		Long: `Runs a coordinator. The first start writes an admin key (DIR/admin.key) and a one-use join token
(DIR/join.token). Everything it accepted is in DIR: kill it and start it again, and it goes on.`,
		Example: `  easel coordinator --data data --listen 127.0.0.1:7878
  easel coordinator token --data data`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			shipped, err := builtin.Describe()
			if err != nil {
				return err
			}
			ctx := c.Context()
			if withStdin {
				ctx = endWithStdin(ctx)
			}
			config.Version, config.Log = version, logs.logger()
			config.Models, config.DefaultModel = []api.Runtime{shipped}, shipped.Models[0].Name
			config.Ready = func(l coordinator.Listening) { announce(c.OutOrStdout(), l, asJSON) }
			return coordinator.Run(ctx, config)
		},
	}
	f := c.Flags()
	f.StringVar(&config.Data, "data", "easel-coordinator", "directory for everything it keeps")
	f.StringVar(&config.Listen, "listen", "127.0.0.1:7878", "address for clients and nodes; port 0 picks one")
	f.DurationVar(&config.Heartbeat, "heartbeat", 0, "how often nodes report (5s)")
	f.DurationVar(&config.Lease, "lease", 0, "how long a silent node keeps an attempt (15s)")
	f.BoolVar(&asJSON, "json", false, "print the address and files as one line of JSON")
	f.BoolVar(&withStdin, "exit-with-stdin", false, "stop when stdin ends")
	_ = f.MarkHidden("exit-with-stdin")
	logs.register(f)
	c.AddCommand(tokenCommand())
	return c
}

func announce(out io.Writer, l coordinator.Listening, asJSON bool) {
	if asJSON {
		_ = writeLine(out, l)
		return
	}
	fmt.Fprintf(out, "easel coordinator %s\n  listening   %s\n  admin key   %s\n", version, l.URL, l.AdminKeyFile)
	if l.First {
		fmt.Fprintf(out, "  join token  %s (one use; more with: easel coordinator token)\n", l.JoinTokenFile)
	}
}

func tokenCommand() *cobra.Command {
	var (
		server clientFlags
		data   string
		asJSON bool
	)
	c := &cobra.Command{
		Use:     "token",
		Short:   "Make a one-use join token for another node",
		Long:    "Asks the running coordinator for a token. With --data, key and address are read from its directory.",
		Example: "  easel coordinator token --data data",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if data != "" {
				if err := server.fromData(data, c.Flags().Changed("coordinator")); err != nil {
					return err
				}
			}
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			token, err := coordinator.Token(c.Context())
			if err != nil {
				return reached(coordinator, err)
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), map[string]string{"token": token})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), token)
			return err
		},
	}
	server.register(c.Flags())
	c.Flags().StringVar(&data, "data", "", "directory of the coordinator on this machine")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// fromData takes the key, and the address unless one was given, from a coordinator's directory.
func (f *clientFlags) fromData(dir string, addressGiven bool) error {
	if f.key == "" && f.keyFile == "" {
		f.keyFile = filepath.Join(dir, "admin.key")
	}
	if addressGiven {
		return nil
	}
	address, err := os.ReadFile(filepath.Join(dir, "address"))
	if err != nil {
		return usageError{fmt.Errorf("--data: no coordinator has run in %s: %w", dir, err)}
	}
	f.coordinator = string(address)
	return nil
}
