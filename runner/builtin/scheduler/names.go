package scheduler

// Names of the methods, as diffusers spells them.
const (
	DDPM           = "DDPMScheduler"
	DDIM           = "DDIMScheduler"
	PNDM           = "PNDMScheduler"
	LMS            = "LMSDiscreteScheduler"
	Euler          = "EulerDiscreteScheduler"
	EulerAncestral = "EulerAncestralDiscreteScheduler"
	DPMMultistep   = "DPMSolverMultistepScheduler"
	Heun           = "HeunDiscreteScheduler"
	KDPM2          = "KDPM2DiscreteScheduler"
	DPMSinglestep  = "DPMSolverSinglestepScheduler"
	KDPM2Ancestral = "KDPM2AncestralDiscreteScheduler"
	UniPC          = "UniPCMultistepScheduler"
	DDIMInverse    = "DDIMInverseScheduler"
	DEIS           = "DEISMultistepScheduler"
	IPNDM          = "IPNDMScheduler"
	KarrasVe       = "KarrasVeScheduler"
	ScoreSdeVe     = "ScoreSdeVeScheduler"
	LCM            = "LCMScheduler"
)

// class is what a method's constructor takes when the configuration leaves it out.
type class struct {
	make            func(settings, int, Random) Scheduler
	betas           noising
	spacing         string
	clips           bool // whether it knows clip_sample at all
	clip            bool
	alphaToOne      bool
	lowerOrderFinal bool
	algorithms      []string // the first is the default
	solvers         []string
	zeroSNR         bool // whether it knows rescale_betas_zero_snr
}

// The training noise that diffusers' classes take when the file is silent.
var (
	ddpmNoising   = noising{start: 0.0001, end: 0.02, kind: "linear"}
	stableNoising = noising{start: 0.00085, end: 0.012, kind: "linear"}
	latentNoising = noising{start: 0.00085, end: 0.012, kind: "scaled_linear"}
)

var (
	dpmAlgorithms = []string{"dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"}
	dpmSolvers    = []string{"midpoint", "heun"}
)

var classes = map[string]class{
	DDPM:           {make: newDDPM, betas: ddpmNoising, spacing: "leading", clips: true, clip: true, zeroSNR: true},
	DDIM:           {make: newDDIM, betas: ddpmNoising, spacing: "leading", clips: true, clip: true, alphaToOne: true, zeroSNR: true},
	PNDM:           {make: newPNDM, betas: ddpmNoising, spacing: "leading"},
	LMS:            {make: newLMS, betas: ddpmNoising, spacing: "linspace"},
	Euler:          {make: newEuler, betas: ddpmNoising, spacing: "linspace", zeroSNR: true},
	EulerAncestral: {make: newEulerAncestral, betas: ddpmNoising, spacing: "linspace", zeroSNR: true},
	DPMMultistep:   {make: newDPMMultistep, betas: ddpmNoising, spacing: "linspace", lowerOrderFinal: true, algorithms: dpmAlgorithms, solvers: dpmSolvers, zeroSNR: true},
	Heun:           {make: newHeun, betas: stableNoising, spacing: "linspace", clips: true},
	KDPM2:          {make: newKDPM2, betas: stableNoising, spacing: "linspace"},
	DPMSinglestep:  {make: newDPMSinglestep, betas: ddpmNoising, spacing: "linspace", algorithms: dpmAlgorithms[:3], solvers: dpmSolvers},
	KDPM2Ancestral: {make: newKDPM2Ancestral, betas: stableNoising, spacing: "linspace"},
	UniPC:          {make: newUniPC, betas: ddpmNoising, spacing: "linspace", lowerOrderFinal: true, solvers: []string{"bh2", "bh1"}, zeroSNR: true},
	DDIMInverse:    {make: newDDIMInverse, betas: ddpmNoising, spacing: "leading", clips: true, clip: true, alphaToOne: true, zeroSNR: true},
	DEIS:           {make: newDEIS, betas: ddpmNoising, spacing: "linspace", lowerOrderFinal: true, solvers: []string{"logrho"}},
	IPNDM:          {make: newIPNDM, betas: ddpmNoising, spacing: "linspace"},
	KarrasVe:       {make: newKarrasVe, betas: ddpmNoising, spacing: "linspace"},
	ScoreSdeVe:     {make: newScoreSdeVe, betas: ddpmNoising, spacing: "linspace"},
	LCM:            {make: newLCM, betas: latentNoising, spacing: "leading", clips: true, alphaToOne: true, zeroSNR: true},
}
