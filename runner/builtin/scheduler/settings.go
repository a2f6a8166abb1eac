package scheduler

import (
	"slices"

	"github.com/easelgrid/easel/api"
)

// settings are a configuration with a class's defaults and a request's options put in: what diffusers has
// after NAME.from_config(config, **options).
type settings struct {
	train         int
	alphas        []float32 // products of 1-beta up to each training timestep
	betaKind      string
	prediction    prediction
	spacing       string
	offset        int
	clip          float32 // bound of x0, or 0 for none
	alphaToOne    bool
	sigmaSchedule string // "" where nobody asked for one
	sigmaMin      float64
	sigmaMax      float64
	algorithm     string
	solver        string
	order         int
	finalZero     bool
	lowerLast     bool
	eulerAtFinal  bool
	lambdaMin     float64
	skipPRK       bool
	variance      string
	predictNoise  bool
	noCorrector   []int
	originalSteps int
	timeScaling   float32
	eta           float64
	zeroSNR       bool
}

func resolve(name string, k class, c Config, o api.SchedulerOptions) settings {
	s := settings{
		train:         c.TrainTimesteps,
		prediction:    prediction(c.Prediction),
		spacing:       or(c.Spacing, k.spacing),
		offset:        or(c.StepsOffset, 0),
		alphaToOne:    or(c.AlphaToOne, k.alphaToOne),
		sigmaSchedule: c.SigmaSchedule,
		sigmaMin:      c.SigmaMin,
		sigmaMax:      c.SigmaMax,
		algorithm:     c.Algorithm,
		solver:        c.SolverType,
		order:         max(c.SolverOrder, 1),
		finalZero:     c.FinalSigma != "sigma_min",
		lowerLast:     or(c.LowerOrderLast, k.lowerOrderFinal),
		eulerAtFinal:  c.EulerAtFinal,
		lambdaMin:     c.LambdaMin,
		skipPRK:       c.SkipPRK,
		variance:      c.Variance,
		predictNoise:  c.PredictNoise,
		noCorrector:   c.NoCorrector,
		originalSteps: c.OriginalSteps,
		timeScaling:   float32(c.TimeScaling),
		zeroSNR:       k.zeroSNR && (c.ZeroSNR || o.RescaleZeroSNR),
	}
	if k.clips && or(c.ClipSample, k.clip) {
		s.clip = float32(c.ClipRange)
	}
	s.override(k, o)
	s.fit(name)
	n := noising{or(c.BetaStart, k.betas.start), or(c.BetaEnd, k.betas.end), or(c.BetaSchedule, k.betas.kind), c.TrainedBetas}
	s.betaKind = n.kind
	s.alphas = n.alphas(s.train, s.zeroSNR)
	return s
}

// override puts in what the request asks for. A file's value that belongs to another class gives way to the
// class's own default, as in diffusers.
func (s *settings) override(k class, o api.SchedulerOptions) {
	if o.SigmaSchedule != "" {
		s.sigmaSchedule = o.SigmaSchedule
	}
	if o.Spacing != "" {
		s.spacing = o.Spacing
	}
	if o.Algorithm != "" {
		s.algorithm = o.Algorithm
	}
	if o.SolverType != "" {
		s.solver = o.SolverType
	}
	if o.SolverOrder != 0 {
		s.order = o.SolverOrder
	}
	if o.Eta != nil {
		s.eta = *o.Eta
	}
	if k.algorithms != nil && !slices.Contains(k.algorithms, s.algorithm) {
		s.algorithm = k.algorithms[0]
	}
	if k.solvers != nil && !slices.Contains(k.solvers, s.solver) {
		s.solver = k.solvers[0]
	}
}

// fit mends combinations that diffusers refuses.
func (s *settings) fit(name string) {
	switch {
	case name == DDIMInverse && s.spacing == "linspace":
		s.spacing = "leading"
	case s.algorithm == "dpmsolver" || s.algorithm == "sde-dpmsolver":
		// The noise cannot be predicted from a sample that has none.
		s.finalZero = false
	}
	if s.algorithm == "sde-dpmsolver" {
		s.order = min(s.order, 2)
	}
}

// respaced reports whether a schedule of sigmas places the steps, and not the training timesteps.
func (s settings) respaced() bool { return s.sigmaSchedule != "" && s.sigmaSchedule != "normal" }

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
