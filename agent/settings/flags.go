package settings

import (
	"strings"

	"github.com/spf13/pflag"
)

// Bind makes flags of the settings. What a flag does not name stays as it is now. Runtimes are the names
// that the help offers.
func (s *Settings) Bind(f *pflag.FlagSet, runtimes []string) {
	f.StringVar(&s.Coordinator, "coordinator", s.Coordinator, "`URL` of the coordinator (or EASEL_COORDINATOR)")
	f.StringVar(&s.JoinToken, "join", s.JoinToken, "join `TOKEN`, needed the first time only (or EASEL_JOIN_TOKEN)")
	f.Lookup("join").DefValue = "" // which the help shows, to everybody who looks over a shoulder
	f.StringVar(&s.Data, "data", s.Data, "directory for the node's key and unfinished work")
	f.StringArrayVar(&s.Runtimes, "runtime", s.Runtimes, strings.Join(runtimes, " or ")+"; may be repeated")
	f.IntVar(&s.Slots, "slots", s.Slots, "jobs at a time")
	f.DurationVar(&s.DrainTimeout, "drain-timeout", s.DrainTimeout, "longest wait for running jobs at the end")
}
