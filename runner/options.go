package runner

import (
	"log/slog"
	"time"
)

// Options are how to start a runtime subprocess, and the time limits it is held to.
type Options struct {
	Command []string // program and arguments
	Env     []string // added to the agent's environment
	Dir     string   // working directory; the agent's when empty
	Log     *slog.Logger

	HelloTimeout time.Duration // from start to hello; 0 means 60 s
	StallTimeout time.Duration // longest silence while a job runs; 0 means 5 min
	CancelGrace  time.Duration // from cancel to kill; 0 means 10 s
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.HelloTimeout, time.Minute}, {&o.StallTimeout, 5 * time.Minute}, {&o.CancelGrace, 10 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
