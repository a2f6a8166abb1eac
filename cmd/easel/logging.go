package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/pflag"
)

// logFlags choose what a long-lived process writes to stderr.
type logFlags struct {
	verbose bool
	asJSON  bool
}

func (f *logFlags) register(set *pflag.FlagSet) {
	set.BoolVarP(&f.verbose, "verbose", "v", false, "log details")
	set.BoolVar(&f.asJSON, "log-json", false, "log as JSON lines")
}

func (f *logFlags) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		options.Level = slog.LevelDebug
	}
	if f.asJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// endWithStdin returns a context that also ends when stdin does, so that a process never outlives
// the one that started it, whatever happens to that one, on every OS.
func endWithStdin(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// writeLine prints one value as one line of JSON.
func writeLine(w io.Writer, value any) error { return json.NewEncoder(w).Encode(value) }
