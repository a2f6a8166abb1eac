// Command easel is the whole of easel in one binary: the coordinator, the agent, the runtimes and
// the tools to use them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/agent"
	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/datadir"
)

// version is set by the release build.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, endAtSecondSignal)
	err := root().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "easel:", plain(err.Error()))
	}
	os.Exit(exitCode(ctx, err))
}

// endAtSecondSignal makes the next Ctrl-C end the process at once. Children see the end of their
// stdin and go too.
func endAtSecondSignal() {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-again
		os.Exit(exitInterrupted)
	}()
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "easel",
		Short: "A self-hosted network of GPUs that makes images",
		Long: `easel turns machines with GPUs into one image service.

A coordinator accepts jobs, nodes run them in a diffusion runtime, clients fetch the pictures.
Start with "easel demo": it runs all of it on this machine and makes four pictures.

Exit codes: 0 done, 1 failed, 2 a wrong flag or request, 3 the coordinator cannot be reached,
4 the key or token is not accepted, 5 the data directory is in use, 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.CompletionOptions.HiddenDefaultCmd = true
	group(c)
	c.AddCommand(demoCommand(), renderCommand(), generateCommand(), jobsCommand(), nodesCommand(), keysCommand(),
		coordinatorCommand(), agentCommand(), versionCommand(), runtimeCommand(), probeCommand())
	return c
}

// group makes a command that only has commands below it: alone it explains itself, and a word that is
// none of them is a wrong command line.
func group(c *cobra.Command) {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usageError{fmt.Errorf("there is no command %s, see %s --help", api.Quote(args[0]), c.CommandPath())}
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// The exit codes, as the help of the root command documents them.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitUnreachable  = 3
	exitUnauthorized = 4
	exitInUse        = 5
	exitInterrupted  = 130
)

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, datadir.ErrInUse) || errors.Is(err, agent.ErrInUse) {
		return exitInUse
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[unreachableError](err); ok {
		return exitUnreachable
	}
	e, ok := errors.AsType[*api.Error](err)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case !ok:
		return exitFailed
	case e.Code == api.CodeUnauthorized || e.Code == api.CodeForbidden:
		return exitUnauthorized
	case e.Code.Retryable() || e.Code == api.CodeRateLimited || e.Code == api.CodeQuotaExceeded || e.Code == api.CodeInternal || e.Code == api.CodeCanceled || e.Code == api.CodeQuarantined:
		return exitFailed
	}
	return exitUsage
}
