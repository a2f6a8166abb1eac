package builtin

import (
	"time"

	"github.com/easelgrid/easel/api"
)

// stopwatch adds the time since its last lap to one of the phases.
type stopwatch struct {
	started, last time.Time
	times         api.Timings
}

func newStopwatch() *stopwatch {
	now := time.Now()
	return &stopwatch{started: now, last: now}
}

func (s *stopwatch) lap(phase *float64) {
	now := time.Now()
	*phase += now.Sub(s.last).Seconds()
	s.last = now
}

func (s *stopwatch) stop() api.Timings {
	s.times.Total = time.Since(s.started).Seconds()
	return s.times
}
