package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
)

func keysCommand() *cobra.Command {
	var (
		server clientFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys, and show what they used",
		Example: `  easel keys create website --dialect openai --images-per-day 1000 --key-file data/admin.key
  easel keys list --key-file data/admin.key
  easel keys revoke website --key-file data/admin.key
  easel keys usage --key-file data/admin.key`,
	}
	group(c)
	server.register(c.PersistentFlags())
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.AddCommand(createKeyCommand(&server, &asJSON), listKeysCommand(&server, &asJSON), revokeKeyCommand(&server, &asJSON), usageCommand(&server, &asJSON))
	return c
}

func createKeyCommand(server *clientFlags, asJSON *bool) *cobra.Command {
	var (
		request api.KeyRequest
		limits  = api.DefaultKeyLimits
		valid   time.Duration
	)
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key and print it, once only",
		Long: `Makes an API key. The key is printed now and stored nowhere: the coordinator keeps only its hash.

Several dialects share a path. A key that is bound to one of them gets that one, so that a client which
cannot change its path is understood. A limit of 0 means no limit; an admin's key has no limits unless given.`,
		Example: `  easel keys create website --dialect openai --key-file data/admin.key
  easel keys create trial --images-per-day 20 --open-jobs 1 --valid 168h --key-file data/admin.key --json`,
		Args: oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			request.Name = args[0]
			for _, flag := range []string{"requests-per-minute", "open-jobs", "images-per-day", "megapixel-steps-per-day"} {
				if c.Flags().Changed(flag) {
					request.Limits = &limits
				}
			}
			if valid > 0 {
				request.ExpiresAt = time.Now().Add(valid).UTC().Truncate(time.Second)
			}
			key, err := coordinator.CreateKey(c.Context(), request)
			if err != nil {
				return reached(coordinator, err)
			}
			if *asJSON {
				return writeJSON(c.OutOrStdout(), key)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), key.Secret)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&request.Role, "role", "client", "client or admin")
	f.StringVar(&request.Dialect, "dialect", "", "openai, distribute, modelslab, nebulablock, deepfellow or yescale")
	f.BoolVar(&request.PromptSettings, "prompt-settings", false, "allow settings inside prompts, in dialects that have them")
	f.DurationVar(&valid, "valid", 0, "how long the key works (default: until it is revoked)")
	f.IntVar(&limits.RequestsPerMinute, "requests-per-minute", limits.RequestsPerMinute, "requests the key may send in a minute")
	f.IntVar(&limits.OpenJobs, "open-jobs", limits.OpenJobs, "unfinished jobs the key may have at once")
	f.IntVar(&limits.ImagesPerDay, "images-per-day", limits.ImagesPerDay, "images the key may make in a day (UTC)")
	f.Float64Var(&limits.MegapixelStepsPerDay, "megapixel-steps-per-day", limits.MegapixelStepsPerDay, "steps * width * height / 2^20 the key may use in a day (UTC)")
	return c
}

func listKeysCommand(server *clientFlags, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the API keys",
		Example: "  easel keys list --key-file data/admin.key",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			keys, err := coordinator.Keys(c.Context())
			if err != nil {
				return reached(coordinator, err)
			}
			if *asJSON {
				return writeJSON(c.OutOrStdout(), keys)
			}
			return printKeys(c.OutOrStdout(), keys)
		},
	}
}

func revokeKeyCommand(server *clientFlags, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Make an API key invalid at once, by its name or id",
		Example: "  easel keys revoke website --key-file data/admin.key",
		Args:    oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			key, err := coordinator.RevokeKey(c.Context(), args[0])
			if err != nil {
				return reached(coordinator, err)
			}
			if *asJSON {
				return writeJSON(c.OutOrStdout(), key)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "key %s (%s) is no longer valid\n", plain(key.Name), key.ID)
			return err
		},
	}
}

func usageCommand(server *clientFlags, asJSON *bool) *cobra.Command {
	var name, from, to string
	c := &cobra.Command{
		Use:   "usage",
		Short: "List what each key used, by day (UTC)",
		Example: `  easel keys usage --key-file data/admin.key
  easel keys usage --name website --from 2026-11-01 --to 2026-11-30 --key-file data/admin.key --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			usage, err := coordinator.Usage(c.Context(), name, from, to)
			if err != nil {
				return reached(coordinator, err)
			}
			if *asJSON {
				return writeJSON(c.OutOrStdout(), usage)
			}
			return printUsage(c.OutOrStdout(), usage)
		},
	}
	c.Flags().StringVar(&name, "name", "", "list only the key of this name")
	c.Flags().StringVar(&from, "from", "", "first day, such as 2026-11-01 (default: 30 days ago)")
	c.Flags().StringVar(&to, "to", "", "last day (default: today)")
	return c
}

func printKeys(out io.Writer, keys []api.Key) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tDIALECT\tREQUESTS/MIN\tOPEN JOBS\tIMAGES/DAY\tMPX-STEPS/DAY\tEXPIRES")
	for _, k := range keys {
		expires := "never"
		if !k.ExpiresAt.IsZero() {
			expires = k.ExpiresAt.Format(time.RFC3339)
		}
		l := k.Limits
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, plain(k.Name), k.Role, cmp.Or(plain(k.Dialect), "-"),
			limit(float64(l.RequestsPerMinute)), limit(float64(l.OpenJobs)), limit(float64(l.ImagesPerDay)), limit(l.MegapixelStepsPerDay), expires)
	}
	return w.Flush()
}

func limit(n float64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func printUsage(out io.Writer, usage []api.Usage) error {
	if len(usage) == 0 {
		_, err := fmt.Fprintln(out, "no settled jobs")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DAY\tKEY\tJOBS\tSUCCEEDED\tFAILED\tCANCELED\tIMAGES\tMPX-STEPS")
	for _, u := range usage {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.2f\n", u.Day, plain(u.Key), u.Jobs, u.Succeeded, u.Failed, u.Canceled, u.Images, u.MegapixelSteps)
	}
	return w.Flush()
}
