"""Makes the test data of runner/builtin/scheduler and runner/builtin/noise: walks of diffusers' schedulers.

    python schedulers.py ../../runner/builtin/testdata

Each walk starts from six numbers, with a formula in place of the model. schedulers.json says what was asked,
schedulers.safetensors has a matrix per row: for every call the timestep, the sample after it, the predicted
picture (NaN where the class does not tell) and a picture with the noise of that call (NaN where it cannot).
"""

from __future__ import annotations

import copy
import json
import logging
import math
import pathlib
import sys
import warnings

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

SIZE = 6
STABLE = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "leading",
    "steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False,
}
TABLE = ["DDPM", "DDIM", "PNDM", "LCM"]
LADDER = ["LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete"]
SOLVERS = ["DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep"]
SIGMAS = ["LMSDiscrete", "EulerDiscrete", "HeunDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete", *SOLVERS]
ZERO_SNR = ["DDPM", "DDIM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep", "DDIMInverse", "LCM"]
SAMPLE = ["DDPM", "DDIM", "LCM", "LMSDiscrete", "EulerDiscrete", "HeunDiscrete", "DDIMInverse", *SOLVERS]
OURS = ["IPNDM", "KarrasVe", "ScoreSdeVe"]

OPTIONS = {
    "timestep_spacing": "timestep_spacing", "algorithm_type": "algorithm_type", "solver_order": "solver_order",
    "solver_type": "solver_type", "rescale_betas_zero_snr": "rescale_betas_zero_snr",
}


def model(seen: torch.Tensor, t) -> torch.Tensor:
    return 2 * seen / (1 + seen**2) + math.cos(float(t) / 250) / 2


def build(name: str, config: dict, options: dict):
    """The class as a runtime makes it: from the model's configuration, with the request's options over it."""
    more = {OPTIONS[k]: v for k, v in options.items() if k in OPTIONS}
    if options.get("sigma_schedule", "normal") != "normal":
        more[f"use_{options['sigma_schedule']}_sigmas"] = True
    if options.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver"):
        more["final_sigmas_type"] = "sigma_min"
    return getattr(diffusers, name + "Scheduler").from_config(config, **more)


def stochastic(scheduler) -> bool:
    return "generator" in scheduler.step.__code__.co_varnames


def levels(scheduler, picture: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The picture with noise at every call, by a scheduler that has not stepped."""
    rows = []
    for call in range(len(scheduler.timesteps)):
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(call)
        rows.append(scheduler.add_noise(picture, noise, scheduler.timesteps[call : call + 1]))
    return torch.stack(rows)[:, 0]


def walk(name: str, config: dict, options: dict, steps: int, strength: float | None) -> tuple[dict, torch.Tensor]:
    scheduler = build(name, config, options)
    scheduler.set_timesteps(steps)
    timesteps, start = scheduler.timesteps, 0
    picture, noise = torch.linspace(-2, 2, SIZE)[None], torch.linspace(1, -0.4, SIZE)[None]
    if strength is not None:
        left = min(int(steps * strength), steps)
        start = max(steps - left, 0) * scheduler.order
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start)
        sample = scheduler.add_noise(picture, noise, timesteps[start : start + 1])
    else:
        sample = picture * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(11)
    keys = {"generator": generator} if stochastic(scheduler) else {}
    if "eta" in options:
        keys["eta"] = options["eta"]
    rows = []
    nothing = torch.full((SIZE,), math.nan)
    noised = None
    if hasattr(scheduler, "add_noise"):
        noised = levels(copy.deepcopy(scheduler), picture, noise)
    for call, t in list(enumerate(timesteps))[start:]:
        out = model(scheduler.scale_model_input(sample, t), t)
        result = scheduler.step(out, t, sample, **keys)
        sample = result.prev_sample
        promise = getattr(result, "pred_original_sample", None)
        promise = getattr(result, "denoised", promise)
        rows.append(torch.cat([
            torch.tensor([float(t)]), sample[0], nothing if promise is None else promise[0],
            nothing if noised is None else noised[call],
        ]))
    return {"init": float(scheduler.init_noise_sigma), "start": start}, torch.stack(rows).to(torch.float32)


# The three methods that diffusers has for other models: its own formulas, with a Stable Diffusion model made
# into the kind that they expect.


class Denoiser:
    """A model for x = picture + sigma*noise, and the levels that it was trained on."""

    def __init__(self, config: dict) -> None:
        euler = diffusers.EulerDiscreteScheduler.from_config(config)
        self.kind = euler.config.prediction_type
        self.table = np.array(((1 - euler.alphas_cumprod) / euler.alphas_cumprod) ** 0.5)
        self.euler = euler

    def time(self, sigma: float) -> float:
        return float(self.euler._sigma_to_t(np.float64(sigma), np.log(self.table)))

    def picture(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        sigma = torch.tensor(sigma, dtype=torch.float32)
        out = model(x / (sigma**2 + 1) ** 0.5, self.time(sigma.item()))
        if self.kind == "epsilon":
            return x - sigma * out
        if self.kind == "v_prediction":
            return out * (-sigma / (sigma**2 + 1) ** 0.5) + x / (sigma**2 + 1)
        return out

    def noise(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return (x - self.picture(x, sigma)) / sigma


def record(rows: list, time: float, sample: torch.Tensor, picture: torch.Tensor) -> None:
    rows.append(torch.cat([torch.tensor([time]), sample[0], picture[0], torch.full((SIZE,), math.nan)]))


def ipndm(config: dict, options: dict, steps: int) -> tuple[float, list]:
    """IPNDMScheduler on the model's levels: its betas and alphas are sigma and alpha of the scaled sample."""
    denoiser, euler = Denoiser(config), build("EulerDiscrete", config, {"sigma_schedule": "exponential"} | options)
    euler.set_timesteps(steps)
    scheduler = diffusers.IPNDMScheduler()
    scheduler.set_timesteps(steps)
    sigmas = euler.sigmas
    scheduler.alphas = 1 / (sigmas**2 + 1) ** 0.5
    scheduler.betas = sigmas * scheduler.alphas
    sample, rows = torch.linspace(-2, 2, SIZE)[None] * euler.init_noise_sigma, []
    for i, t in enumerate(scheduler.timesteps):
        sigma, alpha, beta = sigmas[i].item(), scheduler.alphas[i], scheduler.betas[i]
        scaled = sample * alpha
        noise = denoiser.noise(sample, sigma)
        velocity = (noise - scaled * beta) / alpha
        picture = sample - sigma * noise
        sample = scheduler.step(velocity, t, scaled).prev_sample / scheduler.alphas[i + 1]
        record(rows, euler.timesteps[i].item(), sample, picture)
    return float(euler.init_noise_sigma), rows


def karras_ve(config: dict, _options: dict, steps: int) -> tuple[float, list]:
    denoiser = Denoiser(config)
    low, high = float(denoiser.table[0]), float(denoiser.table[-1])
    ramp = np.linspace(0, 1, steps)
    levels = [float(np.float32(x)) for x in (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7] + [0.0]
    gamma = min(CHURN / steps, 2**0.5 - 1)
    scheduler = diffusers.KarrasVeScheduler(
        sigma_min=low, sigma_max=high, s_churn=CHURN, s_noise=NOISE, s_min=LEAST, s_max=high / (1 + gamma)
    )
    scheduler.num_inference_steps = steps
    generator = torch.Generator().manual_seed(11)
    sample, rows = torch.linspace(-2, 2, SIZE)[None] * levels[0], []
    for level, following in zip(levels, levels[1:]):
        hat, sigma = scheduler.add_noise_to_input(sample, level, generator)
        output = -denoiser.noise(hat, sigma)
        result = scheduler.step(output, sigma, following, hat)
        record(rows, denoiser.time(sigma), result.prev_sample, result.pred_original_sample)
        if following:
            output = -denoiser.noise(result.prev_sample, following)
            picture = result.prev_sample + following * output
            result = scheduler.step_correct(output, sigma, following, hat, result.prev_sample, result.derivative)
            record(rows, denoiser.time(following), result.prev_sample, picture)
        sample = result.prev_sample
    return levels[0], rows


def score_sde_ve(config: dict, _options: dict, steps: int) -> tuple[float, list]:
    denoiser = Denoiser(config)
    low, high = float(denoiser.table[0]), float(denoiser.table[-1])
    scheduler = diffusers.ScoreSdeVeScheduler(num_train_timesteps=steps, snr=SNR, sigma_min=low, sigma_max=high)
    scheduler.set_timesteps(steps)
    scheduler.set_sigmas(steps)
    levels = [x.item() for x in scheduler.discrete_sigmas.flip(0)]
    generator = torch.Generator().manual_seed(11)
    sample, rows = torch.linspace(-2, 2, SIZE)[None] * levels[0], []
    for i, (t, sigma) in enumerate(zip(scheduler.timesteps, levels)):
        picture = denoiser.picture(sample, sigma)
        sample = scheduler.step_correct((picture - sample) / sigma**2, sample, generator=generator).prev_sample
        record(rows, denoiser.time(sigma), sample, picture)
        picture = denoiser.picture(sample, sigma)
        result = scheduler.step_pred((picture - sample) / sigma**2, t, sample, generator=generator)
        sample = result.prev_sample_mean if i == steps - 1 else result.prev_sample
        record(rows, denoiser.time(sigma), sample, picture)
    return levels[0], rows


CHURN, LEAST, NOISE, SNR = 40, 0.05, 1.003, 0.15
BY_HAND = {"IPNDM": ipndm, "KarrasVe": karras_ve, "ScoreSdeVe": score_sde_ve}


def cases() -> list[tuple]:
    """What is asked: name, changes to the configuration, options, steps, strength."""
    out = []

    def add(names, steps, config=None, options=None, strength=None, base=STABLE):
        for name in [names] if isinstance(names, str) else names:
            out.append((name, {**base, **(config or {})}, options or {}, steps, strength))

    every = [*TABLE, *LADDER, *SOLVERS, "DDIMInverse"]
    add(every, 20)
    add([n for n in every if n != "LCM"], 7, base={})
    add("LCM", 6, base={})
    for steps in (1, 2, 3, 50):
        add([n for n in every if n != "PNDM"], steps)
    for kind in ("v_prediction", "sample"):
        names = SAMPLE if kind == "sample" else every
        add([n for n in names if n != "DPMSolverMultistep"], 8, {"prediction_type": kind})
    for spacing in ("linspace", "trailing"):
        add([n for n in every if n not in ("DPMSolverSinglestep", "LCM", "DDIMInverse")], 9, options={"timestep_spacing": spacing})
    add("DDIMInverse", 9, options={"timestep_spacing": "trailing"})
    for schedule in ("karras", "exponential", "beta"):
        add(SIGMAS, 12, options={"sigma_schedule": schedule})
    add(["EulerDiscrete", "HeunDiscrete"], 6, options={"sigma_schedule": "karras", "timestep_spacing": "trailing"})
    add("EulerDiscrete", 1, options={"sigma_schedule": "beta"})
    for name in ZERO_SNR:
        options = {"rescale_betas_zero_snr": True}
        if name != "LCM":
            options["timestep_spacing"] = "trailing"
        add(name, 5, {"prediction_type": "v_prediction"}, options)
    for strength in (0.6, 0.35):
        add([n for n in every if n != "DDIMInverse"], 10, strength=strength)
    add(["EulerDiscrete", "HeunDiscrete", "DPMSolverMultistep"], 10, options={"sigma_schedule": "karras"}, strength=0.5)
    add(every, 6, {"beta_schedule": "squaredcos_cap_v2"})
    add(["DDIM", "UniPCMultistep"], 4, {"trained_betas": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "num_train_timesteps": 6, "steps_offset": 0})
    add(["DDPM", "DDIM", "LCM", "HeunDiscrete", "DDIMInverse"], 6, {"clip_sample": True, "clip_sample_range": 0.7})
    add(["DDIM", "DDPM", "EulerDiscrete"], 50, {"num_train_timesteps": 50, "steps_offset": 0})
    add("DDPM", 8, {"variance_type": "fixed_large"})
    for eta in (0.4, 1.0):
        add("DDIM", 10, options={"eta": eta})
    add("DDIM", 10, {"set_alpha_to_one": True, "steps_offset": 0})
    for steps in (2, 3, 4, 7, 20):
        add("PNDM", steps, {"skip_prk_steps": True})
        if steps >= 4:
            add("PNDM", steps)
    add("PNDM", 1, {"skip_prk_steps": True})
    add("PNDM", 50)
    add(["DDIM", "EulerDiscrete"], 48, options={"timestep_spacing": "trailing"})
    add("PNDM", 12, {"skip_prk_steps": True, "prediction_type": "v_prediction"}, {"timestep_spacing": "trailing"})
    add("PNDM", 12, {"skip_prk_steps": True}, {"timestep_spacing": "linspace"})
    for strength in (1.0, 0.95, 0.5):
        add("PNDM", 10, {"skip_prk_steps": True}, strength=strength)
    add("EulerDiscrete", 6, {"final_sigmas_type": "sigma_min"})
    for algorithm in ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"):
        for order in (1, 2, 3):
            for solver in ("midpoint", "heun"):
                options = {"algorithm_type": algorithm, "solver_order": order, "solver_type": solver}
                if order < 3 or algorithm != "sde-dpmsolver":
                    add("DPMSolverMultistep", 8, options=options)
                    add("DPMSolverMultistep", 20, options=options)
                if algorithm != "sde-dpmsolver":
                    add("DPMSolverSinglestep", 9, options=options)
                    add("DPMSolverSinglestep", 20, options=options)
    for kind in ("v_prediction", "sample"):
        for algorithm in ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"):
            add("DPMSolverMultistep", 8, {"prediction_type": kind}, {"algorithm_type": algorithm})
    add("DPMSolverMultistep", 16, {"euler_at_final": True, "final_sigmas_type": "sigma_min"})
    add("DPMSolverMultistep", 10, {"lower_order_final": False, "final_sigmas_type": "sigma_min", "solver_order": 3})
    add(["DPMSolverMultistep", "DPMSolverSinglestep"], 10, {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1, "timestep_spacing": "linspace"})
    add("DPMSolverSinglestep", 10, {"final_sigmas_type": "sigma_min"})
    add("DPMSolverSinglestep", 12, {"final_sigmas_type": "sigma_min", "solver_order": 3})
    for order in (1, 2, 3):
        for steps in (8, 20):
            add("UniPCMultistep", steps, options={"solver_order": order})
            add("UniPCMultistep", steps, {"final_sigmas_type": "sigma_min"}, {"solver_order": order, "solver_type": "bh1"})
            add("DEISMultistep", steps, options={"solver_order": order})
    add("UniPCMultistep", 9, {"predict_x0": False, "final_sigmas_type": "sigma_min"})
    add("UniPCMultistep", 9, {"disable_corrector": [0, 2], "solver_order": 3})
    add("UniPCMultistep", 9, {"final_sigmas_type": "sigma_min"}, {"sigma_schedule": "karras"})
    add("LCM", 4)
    add("LCM", 8, {"original_inference_steps": 40, "timestep_scaling": 8.0})
    for steps in (2, 7, 20):
        add(OURS, steps)
    add(["IPNDM", "KarrasVe"], 1)
    add(OURS, 8, {"prediction_type": "v_prediction"})
    add("IPNDM", 10, options={"sigma_schedule": "karras"})
    add("IPNDM", 10, options={"sigma_schedule": "normal", "timestep_spacing": "trailing"})
    return out


def draws() -> dict[str, torch.Tensor]:
    """Successive draws of one generator, of sizes that take both of PyTorch's ways."""
    out = {}
    for name, sizes in {"short": [3, 1, 15, 2], "mixed": [3, 16, 1, 2, 17, 4, 15, 33, 5], "long": [300, 1024, 63]}.items():
        for seed in (0, 5, 2**32 - 1):
            generator = torch.Generator().manual_seed(seed)
            out[f"{seed}.{'-'.join(map(str, sizes))}"] = torch.cat([torch.randn(n, generator=generator) for n in sizes])
    return out


def main(target: pathlib.Path) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    rows, matrices, seen = [], {}, set()
    for name, config, options, steps, strength in cases():
        row = {"class": name + "Scheduler", "config": config, "options": options, "steps": steps}
        if strength is not None:
            row["strength"] = strength
        key = json.dumps(row, sort_keys=True)
        if key in seen:
            continue
        seen.add(key)
        if name in BY_HAND:
            init, walked = BY_HAND[name](config, options, steps)
            more, matrix = {"init": init, "start": 0}, torch.stack(walked).to(torch.float32)
        else:
            more, matrix = walk(name, config, options, steps, strength)
        if not torch.isfinite(matrix[:, 1 : 1 + SIZE]).all():
            raise ValueError(f"not finite: {row}")
        matrices[f"{len(rows):03d}"] = matrix.contiguous()
        rows.append(row | more)
    (target / "schedulers.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    save_file(matrices, target / "schedulers.safetensors")
    save_file(draws(), target / "draws.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
