package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/api/client"
)

func jobsCommand() *cobra.Command {
	var (
		server clientFlags
		state  string
		limit  int
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "jobs",
		Short: "List jobs, newest first",
		Example: `  easel jobs --key-file data/admin.key --state running
  easel jobs show ID --key-file data/admin.key --json
  easel jobs cancel ID --key-file data/admin.key`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			jobs, err := coordinator.Jobs(c.Context(), api.State(state), limit)
			if err != nil {
				return reached(coordinator, err)
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), jobs)
			}
			return printJobs(c.OutOrStdout(), jobs, time.Now())
		},
	}
	server.register(c.PersistentFlags())
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.Flags().StringVar(&state, "state", "", "only jobs in this state: queued, assigned, running, succeeded, failed, canceled")
	c.Flags().IntVar(&limit, "limit", 20, "list at most this many")
	c.AddCommand(
		oneJob("show ID", "Show a job", &server, &asJSON, (*client.Client).Job),
		oneJob("cancel ID", "Cancel a job", &server, &asJSON, (*client.Client).Cancel),
	)
	return c
}

func oneJob(use, short string, server *clientFlags, asJSON *bool, call func(*client.Client, context.Context, string) (api.Job, error)) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  easel jobs " + use + " --key-file data/admin.key",
		Args:    oneArgument,
		RunE: func(c *cobra.Command, args []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			job, err := call(coordinator, c.Context(), args[0])
			if err != nil {
				return reached(coordinator, err)
			}
			if *asJSON {
				return writeJSON(c.OutOrStdout(), job)
			}
			return printJobs(c.OutOrStdout(), []api.Job{job}, time.Now())
		},
	}
}

func printJobs(out io.Writer, jobs []api.Job, now time.Time) error {
	if len(jobs) == 0 {
		_, err := fmt.Fprintln(out, "no jobs")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tATTEMPT\tNODE\tIMAGES\tAGE\tERROR")
	for _, j := range jobs {
		problem := ""
		if j.Error != nil {
			problem = plain(string(j.Error.Code))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d/%d\t%s\t%s\n", j.ID, j.State, j.Attempt, cmpOr(j.NodeID, "-"),
			len(j.Images), j.Spec.N, now.Sub(j.CreatedAt).Round(time.Second), problem)
	}
	return w.Flush()
}

func nodesCommand() *cobra.Command {
	var (
		server clientFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use:     "nodes",
		Short:   "List the nodes",
		Example: "  easel nodes --key-file data/admin.key",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			nodes, err := coordinator.Nodes(c.Context())
			if err != nil {
				return reached(coordinator, err)
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), nodes)
			}
			return printNodes(c.OutOrStdout(), nodes)
		},
	}
	server.register(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

func printNodes(out io.Writer, nodes []api.Node) error {
	if len(nodes) == 0 {
		_, err := fmt.Fprintln(out, "no nodes")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tBUSY\tHOST\tDEVICE\tVRAM\tRUNTIMES")
	for _, n := range nodes {
		device, vram := "-", "-"
		if len(n.Devices) > 0 {
			device, vram = n.Devices[0].Name, fmt.Sprintf("%.1f GiB", float64(n.Devices[0].VRAM)/(1<<30))
		}
		var names []string
		for _, r := range n.Runtimes {
			names = append(names, r.Name)
		}
		slices.Sort(names)
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%s\t%s\t%s\n", n.ID, nodeState(n), len(n.Busy), n.Slots, plain(n.Host.Name), plain(device), vram, plain(fmt.Sprint(names)))
	}
	return w.Flush()
}

func nodeState(n api.Node) string {
	switch {
	case !n.Connected:
		return "offline"
	case n.Draining:
		return "draining"
	}
	return "online"
}
