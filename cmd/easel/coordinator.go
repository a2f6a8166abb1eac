package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator"
	"github.com/easelgrid/easel/coordinator/datadir"
	"github.com/easelgrid/easel/runner/builtin"
)

func coordinatorCommand() *cobra.Command {
	var (
		config    coordinator.Config
		logs      logFlags
		asJSON    bool
		withStdin bool
		private   []string
	)
	c := &cobra.Command{
		Use:   "coordinator --data DIR --listen ADDR",
		Short: "Accept jobs and place them on nodes",
		Long: `Runs a coordinator. The first start writes an admin key (DIR/admin.key) and a one-use join token
(DIR/join.token). Every accepted job is kept in DIR: after a stop or a crash, start the coordinator
again and it continues.`,
		Example: `  easel coordinator --data data --listen 127.0.0.1:7878
  easel coordinator --data data --catalog docs/examples/catalog-demo.yaml
  easel coordinator token --data data`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			shipped, err := builtin.Describe()
			if err != nil {
				return err
			}
			if config.AllowPrivate, err = networks(private); err != nil {
				return usageError{err}
			}
			ctx := c.Context()
			if config.Catalog != "" { // else a SIGHUP ends the process, as it always does
				again, stop := hangUps()
				defer stop()
				config.Reload = again
			}
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
	f.StringVar(&config.Data, "data", "easel-coordinator", "directory for everything the coordinator keeps")
	f.StringVar(&config.Listen, "listen", "127.0.0.1:7878", "address for clients and nodes; port 0 picks a free port")
	f.StringVar(&config.Certificate, "tls-cert", "", "PEM `file` with a certificate (default: off loopback one is made, and join tokens pin it)")
	f.StringVar(&config.Key, "tls-key", "", "PEM `file` with the certificate's key")
	f.BoolVar(&config.PlainHTTP, "plain-http", false, "serve plain HTTP off loopback, for use behind a proxy that does TLS")
	f.DurationVar(&config.Heartbeat, "heartbeat", 0, "how often nodes report (default 5s)")
	f.DurationVar(&config.Lease, "lease", 0, "how long a silent node keeps an attempt (default 15s)")
	f.StringVar(&config.Catalog, "catalog", "", "YAML `file` that lists the models clients see; read again when it changes (default: every model of the nodes)")
	f.StringVar(&config.PublicURL, "public-url", "", "start of links to pictures (default: the address the client used)")
	f.DurationVar(&config.LinkValid, "link-valid", 0, "how long links to pictures work (default 24h)")
	f.StringVar(&config.Artifacts, "artifacts", "", "`where` pictures are kept: a directory, or s3://bucket?region=... (default DATA/artifacts)")
	f.DurationVar(&config.KeepImages, "keep-images", 0, "how long images are kept after their job has ended; -1s for ever (default, and at least: as long as links work)")
	f.DurationVar(&config.KeepRecords, "keep-jobs", 0, "how long jobs themselves are kept, at least as long as images; -1s for ever (default 720h)")
	f.BoolVar(&config.KeepAbandoned, "keep-abandoned", false, "keep running a job whose client hung up while waiting for it")
	f.StringSliceVar(&private, "allow-private", nil, "private `networks`, such as 10.0.0.0/8, that pictures may be fetched from and webhooks sent to")
	f.BoolVar(&asJSON, "json", false, "print the address and files as one line of JSON")
	f.BoolVar(&withStdin, "exit-with-stdin", false, "stop when stdin ends")
	_ = f.MarkHidden("exit-with-stdin")
	logs.register(f)
	c.AddCommand(tokenCommand())
	return c
}

// networks reads prefixes, or addresses as prefixes of themselves.
func networks(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, wrong := netip.ParseAddr(text); err != nil && wrong == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--allow-private: got %s, want a network such as 10.0.0.0/8", api.Quote(text))
		}
		list = append(list, prefix)
	}
	return list, nil
}

func announce(out io.Writer, l coordinator.Listening, asJSON bool) {
	if asJSON {
		_ = writeLine(out, map[string]any{
			"url": l.URL, "admin_key_file": l.AdminKeyFile, "join_token_file": l.JoinTokenFile, "first": l.First, "fingerprint": l.Fingerprint,
		})
		return
	}
	fmt.Fprintf(out, "easel coordinator %s\n  listening   %s\n  admin key   %s\n", version, l.URL, l.AdminKeyFile)
	if l.First {
		fmt.Fprintf(out, "  join token  %s (one use; more with: easel coordinator token)\n", l.JoinTokenFile)
	}
}

func tokenCommand() *cobra.Command {
	var (
		data   string
		asJSON bool
	)
	c := &cobra.Command{
		Use:     "token",
		Short:   "Make a one-use join token for another node",
		Long:    "Asks the coordinator that is running on the data directory for a token, and prints it.",
		Example: "  easel coordinator token --data data",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := datadir.NewJoinToken(data)
			if errors.Is(err, datadir.ErrNotRunning) {
				return unreachableError{err}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), map[string]string{"token": token})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), token)
			return err
		},
	}
	c.Flags().StringVar(&data, "data", "easel-coordinator", "directory of the coordinator")
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}
