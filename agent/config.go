package agent

import (
	"log/slog"

	"github.com/easelgrid/easel/agent/settings"
	"github.com/easelgrid/easel/api"
)

// A Command is how to start a runtime subprocess.
type Command struct {
	Name string   // of the runtime, for messages; its hello has its real name
	Args []string // program and arguments
	Env  []string // added to the agent's environment
}

// Config is what an agent runs with: what its owner decided, and what the program around it provides.
type Config struct {
	settings.Settings
	Commands []Command           // of the Runtimes; at least one
	Probe    []string            // command for gpu.Detect; nil means the CPU is the only device
	Version  string              // of this program
	Log      *slog.Logger        // nil means silence
	Joined   func(nodeID string) // called after every registration; may be nil
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Joined == nil {
		c.Joined = func(string) {}
	}
	return c
}

// check lists everything wrong with the settings at once.
func (c Config) check() error {
	if err := api.Invalid(c.Faults()); err != nil {
		return err
	}
	if len(c.Commands) == 0 {
		return ErrNoRuntime
	}
	return nil
}
