package scheduler

import (
	"io/fs"
	"math"

	"github.com/easelgrid/easel/runner/builtin/config"
)

// Config is a scheduler_config.json of any class. A field that the file leaves out takes the default of the
// class that reads it, so those whose defaults differ are pointers.
type Config struct {
	Class          string
	TrainTimesteps int
	BetaStart      *float64
	BetaEnd        *float64
	BetaSchedule   *string // "linear", "scaled_linear" or "squaredcos_cap_v2"
	TrainedBetas   []float64
	ZeroSNR        bool
	Prediction     string // "epsilon", "v_prediction" or "sample"
	Spacing        *string
	StepsOffset    *int
	ClipSample     *bool
	ClipRange      float64
	AlphaToOne     *bool
	SigmaSchedule  string // "karras", "exponential" or "beta", "" for none
	SigmaMin       float64
	SigmaMax       float64 // these two are 0 where the file leaves them out
	Algorithm      string
	SolverType     string
	SolverOrder    int
	FinalSigma     string // "zero" or "sigma_min"
	LowerOrderLast *bool
	EulerAtFinal   bool
	LambdaMin      float64
	SkipPRK        bool
	Variance       string
	PredictNoise   bool  // UniPC's predict_x0 is false
	NoCorrector    []int // UniPC's disable_corrector
	OriginalSteps  int   // LCM's grid of distillation
	TimeScaling    float64
}

// ReadConfig reads scheduler/scheduler_config.json of any class that the package knows. What belongs to
// another family of models, such as flow matching, is refused.
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return Config{}, err
	}
	refuse(f)
	c := Config{
		Class:          f.String("_class_name", DDIM),
		TrainTimesteps: f.Int("num_train_timesteps", 1000, 1, 100_000),
		BetaStart:      optional(f, "beta_start", f.Float),
		BetaEnd:        optional(f, "beta_end", f.Float),
		BetaSchedule:   optional(f, "beta_schedule", f.String),
		TrainedBetas:   f.Floats("trained_betas", nil),
		ZeroSNR:        f.Bool("rescale_betas_zero_snr", false),
		Prediction:     f.String("prediction_type", "epsilon"),
		Spacing:        optional(f, "timestep_spacing", f.String),
		ClipSample:     optional(f, "clip_sample", f.Bool),
		ClipRange:      f.Float("clip_sample_range", 1),
		AlphaToOne:     optional(f, "set_alpha_to_one", f.Bool),
		SigmaMin:       f.Float("sigma_min", 0),
		SigmaMax:       f.Float("sigma_max", 0),
		Algorithm:      f.String("algorithm_type", ""),
		SolverType:     f.String("solver_type", ""),
		SolverOrder:    f.Int("solver_order", 2, 1, 3),
		FinalSigma:     f.String("final_sigmas_type", "zero"),
		LowerOrderLast: optional(f, "lower_order_final", f.Bool),
		EulerAtFinal:   f.Bool("euler_at_final", false),
		LambdaMin:      f.Float("lambda_min_clipped", math.Inf(-1)),
		SkipPRK:        f.Bool("skip_prk_steps", false),
		Variance:       f.String("variance_type", "fixed_small"),
		PredictNoise:   !f.Bool("predict_x0", true),
		TimeScaling:    f.Float("timestep_scaling", 10),
	}
	c.StepsOffset = optional(f, "steps_offset", func(field string, _ int) int { return f.Int(field, 0, 0, 1000) })
	c.NoCorrector = f.WholeNumbers("disable_corrector")
	c.OriginalSteps = f.Int("original_inference_steps", 50, 1, 100_000)
	c.SigmaSchedule = readSigmaSchedule(f)
	c.check(f)
	return c, f.Err()
}

// optional reads a field into a pointer, nil where the file leaves it out.
func optional[T any](f *config.File, field string, read func(string, T) T) *T {
	if !f.Has(field) {
		return nil
	}
	var zero T
	value := read(field, zero)
	return &value
}

func readSigmaSchedule(f *config.File) string {
	schedule := ""
	for _, kind := range []string{"karras", "exponential", "beta"} {
		field := "use_" + kind + "_sigmas"
		if !f.Bool(field, false) {
			continue
		}
		if schedule != "" {
			f.Fault(field, "only one schedule of sigmas can be used")
		}
		schedule = kind
	}
	return schedule
}

func (c Config) check(f *config.File) {
	inside := func(field string, low, value, high float64) {
		if !(value > low && value < high) {
			f.Fault(field, "it must lie between %g and %g", low, high)
		}
	}
	inside("beta_start", 0, or(c.BetaStart, 0.5), 1)
	inside("beta_end", 0, or(c.BetaEnd, 0.5), 1)
	if f.Has("sigma_min") {
		inside("sigma_min", 0, c.SigmaMin, 1e6)
	}
	if f.Has("sigma_max") {
		inside("sigma_max", 0, c.SigmaMax, 1e6)
	}
	inside("clip_sample_range", 0, c.ClipRange, 1e6)
	inside("timestep_scaling", 0, c.TimeScaling, 1e6)
	if c.TrainedBetas != nil && len(c.TrainedBetas) != c.TrainTimesteps {
		f.Fault("trained_betas", "it must have %d entries, one per training timestep", c.TrainTimesteps)
	}
	for _, beta := range c.TrainedBetas {
		if !(beta > 0 && beta < 1) {
			f.Fault("trained_betas", "its entries must lie between 0 and 1")
			break
		}
	}
	if c.SigmaMin > 0 && c.SigmaMax > 0 && c.SigmaMin >= c.SigmaMax {
		f.Fault("sigma_min", "it must be below sigma_max")
	}
}

func refuse(f *config.File) {
	f.Only("beta_schedule", "linear", "scaled_linear", "squaredcos_cap_v2")
	f.Only("prediction_type", "epsilon", "v_prediction", "sample")
	f.Only("timestep_spacing", "leading", "linspace", "trailing")
	f.Only("interpolation_type", "linear")
	f.Only("final_sigmas_type", "zero", "sigma_min")
	f.Only("timestep_type", "discrete")
	f.Only("algorithm_type", "dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis")
	f.Only("solver_type", "midpoint", "heun", "logrho", "bh1", "bh2")
	f.Only("variance_type", "fixed_small", "fixed_small_log", "fixed_large")
	for _, field := range []string{"thresholding", "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"} {
		f.Only(field, false)
	}
	for _, field := range []string{"solver_p", "shift_terminal"} {
		f.Only(field, nil)
	}
}
