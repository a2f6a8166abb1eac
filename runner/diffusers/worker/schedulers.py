"""Schedulers as a request wants them, made from the model's own configuration."""

from __future__ import annotations

import inspect

import diffusers

from worker import faults

SIGMAS = {s: f"use_{s}_sigmas" for s in ("karras", "exponential", "beta")}


def make(name: str, config: dict, options: dict):
    """Config is the one the model came with: that of an earlier request's scheduler would carry its options on."""
    kind = getattr(diffusers, name)
    known = inspect.signature(kind.__init__).parameters
    wanted = _arguments(options)
    if name == "PNDMScheduler":
        # As every Stable Diffusion checkpoint with PNDM has it: entered in the middle, as with an init image,
        # the Runge-Kutta steps make no picture.
        wanted["skip_prk_steps"] = True
    for option, value in wanted.items():
        if option not in known and value is not False:
            raise faults.Failure(faults.INVALID_REQUEST, f"scheduler_options: {name} takes no {option}")
    try:
        made = kind.from_config(config, **{k: v for k, v in wanted.items() if k in known})
    except (ValueError, NotImplementedError) as error:
        raise faults.Failure(faults.INVALID_REQUEST, f"scheduler_options: {name}: {error}") from None
    if options.get("solver_type") == "bh1":
        _end_finitely(made)
    return made


def _end_finitely(scheduler) -> None:
    """UniPC's B(h) of kind 1 is infinite on the way to sigma 0, and diffusers multiplies it with a 0 of the last step,
    which is of first order. There both kinds are the same method, and kind 2 is finite."""
    plain = scheduler.multistep_uni_p_bh_update

    def predict(*args, **kwargs):
        last = scheduler.sigmas[scheduler.step_index + 1] == 0
        scheduler.register_to_config(solver_type="bh2" if last else "bh1")
        return plain(*args, **kwargs)

    scheduler.multistep_uni_p_bh_update = predict


def _arguments(options: dict) -> dict:
    """The class's arguments for scheduler_options; eta is the pipeline's and not here."""
    out = {k: options[k] for k in ("timestep_spacing", "algorithm_type", "solver_order", "solver_type", "rescale_betas_zero_snr") if options.get(k)}
    if schedule := options.get("sigma_schedule"):
        out |= {flag: schedule == name for name, flag in SIGMAS.items()}
    if options.get("algorithm_type") in ("dpmsolver", "sde-dpmsolver"):
        out["final_sigmas_type"] = "sigma_min"  # at sigma 0 these two divide by it
    return out
