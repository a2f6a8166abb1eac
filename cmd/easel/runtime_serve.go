package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/runner"
)

func runtimeServeCommand() *cobra.Command {
	var flags runtimeFlags
	serve := &cobra.Command{
		Use:     "serve NAME",
		Short:   "Be a runtime: JSON lines on stdin and stdout (docs/protocol.md)",
		Example: "  easel runtime serve builtin",
		Hidden:  true,
		Args:    oneArgument,
		RunE: func(_ *cobra.Command, args []string) error {
			own, ok := flags.own[args[0]]
			if !ok || own.serve == nil {
				inside := namesOf(func(d descriptor) bool { return flags.own[d.name].serve != nil })
				return usageError{fmt.Errorf("runtime: got %s, want one of %s", api.Quote(args[0]), strings.Join(inside, ", "))}
			}
			runtime, err := own.serve(flags.dirs)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			if err := runner.Serve(runtime, os.Stdin, os.Stdout, log); err != nil {
				return err
			}
			os.Exit(0) // at once: nobody is left to take what a job would still make
			return nil
		},
	}
	flags.register(serve.Flags())
	return serve
}
