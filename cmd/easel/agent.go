package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/agent"
	"github.com/easelgrid/easel/agent/settings"
)

func agentCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "agent",
		Short:   "Make this machine a node",
		Example: "  easel agent run --coordinator http://127.0.0.1:7878 --join TOKEN --data node",
	}
	group(c)
	c.AddCommand(agentRunCommand())
	return c
}

func agentRunCommand() *cobra.Command {
	var (
		node      = settings.Default()
		logs      logFlags
		runtimes  runtimeFlags
		asJSON    bool
		withStdin bool
	)
	c := &cobra.Command{
		Use:   "run --coordinator URL --join TOKEN --data DIR",
		Short: "Run the agent in the foreground",
		Long: `Joins a coordinator, runs its jobs and delivers the pictures. The first run makes the node's key in
DIR and needs a join token; later runs find the key in DIR and need no token. SIGTERM or Ctrl-C drains
the node: running jobs are finished and delivered first. A second signal ends the agent at once.`,
		Example: `  easel agent run --coordinator http://127.0.0.1:7878 --join "$(cat data/join.token)" --data node
  easel agent run --coordinator http://127.0.0.1:7878 --join TOKEN --data node --runtime fake`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			if withStdin {
				ctx = endWithStdin(ctx)
			}
			config := agent.Config{Settings: node}
			for _, name := range slices.Compact(node.Runtimes) {
				command, err := childCommand(name, runtimes)
				if err != nil {
					return err
				}
				config.Commands = append(config.Commands, agent.Command{Name: name, Args: command})
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			config.Probe = []string{self, "gpu-probe"}
			config.Version, config.Log = version, logs.logger()
			config.Joined = func(id string) { joined(c.OutOrStdout(), id, asJSON) }
			return agent.Run(ctx, config)
		},
	}
	f := c.Flags()
	node.FromEnvironment()
	node.Bind(f, runtimeNames())
	f.BoolVar(&asJSON, "json", false, "print the node's id as one line of JSON at each registration")
	f.BoolVar(&withStdin, "exit-with-stdin", false, "drain when stdin ends")
	_ = f.MarkHidden("exit-with-stdin")
	runtimes.register(f)
	logs.register(f)
	return c
}

func joined(out io.Writer, id string, asJSON bool) {
	if asJSON {
		_ = writeLine(out, map[string]string{"node_id": id})
		return
	}
	fmt.Fprintf(out, "node %s is registered\n", id)
}
