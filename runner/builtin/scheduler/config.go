package scheduler

import (
	"io/fs"

	"github.com/easelgrid/easel/runner/builtin/config"
)

// Names of the methods, as diffusers spells them.
const (
	DDIM  = "DDIMScheduler"
	Euler = "EulerDiscreteScheduler"
)

// Config is a scheduler_config.json. A field that the file leaves out takes the default of the class that
// reads it, so those fields are pointers.
type Config struct {
	Class          string
	TrainTimesteps int
	BetaStart      float64
	BetaEnd        float64
	BetaSchedule   string // "linear" or "scaled_linear"
	Prediction     string // "epsilon", "v_prediction" or "sample"
	Spacing        *string
	StepsOffset    *int
	ClipSample     *bool
	ClipRange      float64
	AlphaToOne     bool
}

// ReadConfig reads scheduler/scheduler_config.json of any class whose noise schedule both methods can follow.
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	f, err := config.Open(fsys, name)
	if err != nil {
		return Config{}, err
	}
	refuse(f)
	c := Config{
		Class:          f.String("_class_name", DDIM),
		TrainTimesteps: f.Int("num_train_timesteps", 1000, 1, 100_000),
		BetaStart:      f.Float("beta_start", 0.0001),
		BetaEnd:        f.Float("beta_end", 0.02),
		BetaSchedule:   f.String("beta_schedule", "linear"),
		Prediction:     f.String("prediction_type", "epsilon"),
		ClipRange:      f.Float("clip_sample_range", 1),
		AlphaToOne:     f.Bool("set_alpha_to_one", true),
	}
	if f.Has("timestep_spacing") {
		spacing := f.String("timestep_spacing", "leading")
		c.Spacing = &spacing
	}
	if f.Has("steps_offset") {
		offset := f.Int("steps_offset", 0, 0, 1000)
		c.StepsOffset = &offset
	}
	if f.Has("clip_sample") {
		clip := f.Bool("clip_sample", true)
		c.ClipSample = &clip
	}
	if !(c.BetaStart > 0 && c.BetaStart < 1) {
		f.Fault("beta_start", "it must lie between 0 and 1")
	}
	if !(c.BetaEnd > 0 && c.BetaEnd < 1) {
		f.Fault("beta_end", "it must lie between 0 and 1")
	}
	return c, f.Err()
}

func refuse(f *config.File) {
	f.Only("beta_schedule", "linear", "scaled_linear")
	f.Only("prediction_type", "epsilon", "v_prediction", "sample")
	f.Only("timestep_spacing", "leading", "linspace", "trailing")
	f.Only("trained_betas", nil)
	for _, field := range []string{
		"thresholding", "rescale_betas_zero_snr", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
	} {
		f.Only(field, false)
	}
	f.Only("interpolation_type", "linear")
	f.Only("final_sigmas_type", "zero")
	f.Only("timestep_type", "discrete")
}

// spacing returns the file's value or the class's default.
func (c Config) spacing(missing string) string {
	if c.Spacing != nil {
		return *c.Spacing
	}
	return missing
}

func (c Config) offset() int {
	if c.StepsOffset != nil {
		return *c.StepsOffset
	}
	return 0
}
