package agent

import (
	"context"
	"time"

	"github.com/easelgrid/easel/api"
)

// devicesEvery is how many heartbeats lie between device readings.
const devicesEvery = 4

// beatLoop sends a heartbeat at each interval, and at once when the node begins or ends to drain.
func (s *session) beatLoop(ctx context.Context) {
	ticker := time.NewTicker(s.beat)
	defer ticker.Stop()
	for sequence := uint64(1); ; sequence++ {
		select {
		case <-ticker.C:
		case <-s.agent.slots.due:
		case <-ctx.Done():
			return
		}
		s.out.put(api.NodeMessage{Heartbeat: s.heartbeat(sequence)})
	}
}

// heartbeat carries device readings now and then: those of the last refresh, whose successor is
// asked for here and never waited for.
func (s *session) heartbeat(sequence uint64) *api.Heartbeat {
	beat := &api.Heartbeat{Sequence: sequence, Held: s.agent.slots.names(), Draining: s.agent.slots.draining()}
	if sequence%devicesEvery == 0 {
		beat.Devices = s.agent.devices.readings()
		s.agent.devices.refresh()
	}
	return beat
}
