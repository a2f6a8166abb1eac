package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/easelgrid/easel/api"
)

// A Command is how to start a runtime subprocess.
type Command struct {
	Name string   // of the runtime, for messages; its hello says its real name
	Args []string // program and arguments
	Env  []string // added to the agent's environment
}

// Config is what an agent is told. Coordinator, Data and Runtimes are required.
type Config struct {
	Coordinator  string              // http(s) or ws(s) URL
	JoinToken    string              // may be empty once joined
	Data         string              // directory for the key, the spool and what is remembered; made when absent
	Runtimes     []Command           // each runs once a slot
	Probe        []string            // command for gpu.Detect; nil means the CPU is the only device
	Version      string              // of this program
	Log          *slog.Logger        // nil means silence
	Slots        int                 // jobs at a time; 0 means 1
	PreviewEvery int                 // steps between previews; 0 means 4, negative none
	DrainTimeout time.Duration       // from the end of ctx to giving up what still runs; 0 means 5 min
	StallTimeout time.Duration       // longest silence of a working runtime; 0 means runner's default
	CancelGrace  time.Duration       // for a runtime to obey a cancel; 0 means runner's default
	Joined       func(nodeID string) // called after every registration; may be nil
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Slots == 0 {
		c.Slots = 1
	}
	if c.PreviewEvery == 0 {
		c.PreviewEvery = 4
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 5 * time.Minute
	}
	if c.Joined == nil {
		c.Joined = func(string) {}
	}
	return c
}

// check lists everything wrong with the configuration at once.
func (c Config) check() error {
	var faults []api.Fault
	if _, err := parseCoordinator(c.Coordinator); err != nil {
		faults = append(faults, api.Fault{Field: "coordinator", Value: api.Quote(c.Coordinator), Limit: "an http, https, ws or wss URL with a host"})
	}
	if _, err := parseJoinToken(c.JoinToken); err != nil {
		faults = append(faults, api.Fault{Field: "join", Limit: err.Error()})
	}
	if c.Data == "" {
		faults = append(faults, api.Fault{Field: "data", Limit: "a directory"})
	}
	if c.Slots < 1 || c.Slots > maxSlots {
		faults = append(faults, api.Fault{Field: "slots", Limit: "1 to 64"})
	}
	if len(c.Runtimes) == 0 {
		faults = append(faults, api.Fault{Field: "runtime", Limit: "at least one"})
	}
	return api.Invalid(faults)
}

const maxSlots = 64

// parseCoordinator returns the coordinator's http(s) URL without a trailing slash.
func parseCoordinator(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("no scheme of ours: %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("no host")
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	return u, nil
}
