// Package settings owns what the owner of a node decides: one value, with defaults, that is checked as
// a whole. It comes from the environment and from flags, the later over the earlier; each source only
// changes what it names.
package settings

import (
	"os"
	"time"

	"github.com/easelgrid/easel/api"
)

// Settings are those of one node. The zero value is not usable; Default is.
type Settings struct {
	Coordinator  string        // http(s) or ws(s) URL
	JoinToken    string        // easel-join-1.SECRET[.FINGERPRINT]; may be empty once joined
	Data         string        // directory for the key, the spool and what is remembered; made when absent
	Runtimes     []string      // names; each runs once a slot
	Slots        int           // jobs at a time, 1 to MaxSlots
	PreviewEvery int           // steps between previews; negative none
	DrainTimeout time.Duration // from the wish to stop to giving up what still runs
	StallTimeout time.Duration // longest silence of a working runtime; 0 means runner's default
	CancelGrace  time.Duration // for a runtime to obey a cancel; 0 means runner's default
}

// MaxSlots is the most jobs that a node takes at a time.
const MaxSlots = 64

// Default are the settings of a node on the coordinator's own machine, which still needs a join token.
func Default() Settings {
	return Settings{
		Coordinator: "http://127.0.0.1:7878", Data: "easel-node", Runtimes: []string{"builtin"},
		Slots: 1, PreviewEvery: 4, DrainTimeout: 5 * time.Minute,
	}
}

// FromEnvironment changes what EASEL_COORDINATOR and EASEL_JOIN_TOKEN name. A token there cannot be
// read by every user of the machine, as a flag can.
func (s *Settings) FromEnvironment() {
	for name, value := range map[string]*string{"EASEL_COORDINATOR": &s.Coordinator, "EASEL_JOIN_TOKEN": &s.JoinToken} {
		if text := os.Getenv(name); text != "" {
			*value = text
		}
	}
}

// Faults lists everything that is wrong, by the names of the flags. The token itself never goes into a
// fault: it may be a good one with a slip at its end.
func (s Settings) Faults() []api.Fault {
	var faults []api.Fault
	if _, err := ParseCoordinator(s.Coordinator); err != nil {
		faults = append(faults, api.Fault{Field: "coordinator", Value: api.Quote(s.Coordinator), Limit: "an http, https, ws or wss URL with a host"})
	}
	if _, err := ParseToken(s.JoinToken); err != nil {
		faults = append(faults, api.Fault{Field: "join", Limit: err.Error()})
	}
	if s.Data == "" {
		faults = append(faults, api.Fault{Field: "data", Limit: "a directory"})
	}
	if s.Slots < 1 || s.Slots > MaxSlots {
		faults = append(faults, api.Fault{Field: "slots", Limit: "1 to 64"})
	}
	if len(s.Runtimes) == 0 {
		faults = append(faults, api.Fault{Field: "runtime", Limit: "at least one"})
	}
	for _, limit := range []struct {
		field string
		value time.Duration
	}{{"drain-timeout", s.DrainTimeout}, {"stall-timeout", s.StallTimeout}, {"cancel-grace", s.CancelGrace}} {
		if limit.value < 0 {
			faults = append(faults, api.Fault{Field: limit.field, Value: limit.value.String(), Limit: "not negative"})
		}
	}
	return faults
}
