"""What the architectures are, as a model's configurations describe them."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Callable

# Those of the 18 names that make pictures in diffusers' pipelines. IPNDM has no noise to begin with in the
# middle, KarrasVe and ScoreSdeVe have other step functions, DDIMInverse walks the other way.
DIFFUSION_SCHEDULERS = (
    "DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler", "DPMSolverSinglestepScheduler", "KDPM2AncestralDiscreteScheduler",
    "UniPCMultistepScheduler", "DEISMultistepScheduler", "LCMScheduler",
)  # fmt: skip
FLOW_SCHEDULERS = ("FlowMatchEulerDiscreteScheduler",)

FEATURES = ("txt2img", "img2img", "inpaint", "lora", "preview", "clip_skip", "token_merging", "vae")
UNETS = ("sd1", "sd2", "sdxl")  # architectures with a UNet: other VAEs and token merging are for these


@dataclasses.dataclass(frozen=True)
class Traits:
    architecture: str
    width: int  # native, pixels
    height: int
    multiple: int  # width and height are multiples of it
    steps: int  # defaults
    guidance_scale: float
    scheduler: str
    schedulers: tuple[str, ...]
    text_layers: int  # clip_skip is at most this
    takes_guidance: bool = True  # False where the model was distilled to none
    takes_negative: bool = True


def component(index: dict, name: str) -> bool:
    """Whether model_index.json has the component; absent ones are [null, null]."""
    entry = index.get(name)
    return isinstance(entry, list) and len(entry) == 2 and all(entry)


def read(configs: pathlib.Path, index: dict, read_json: Callable[[pathlib.Path], dict], easel: dict) -> Traits:
    kind = str(index.get("_class_name"))
    vae = read_json(configs / "vae/config.json")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    if kind in ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"):
        return _diffusion(configs, read_json, easel, factor, "text_encoder")
    if kind in ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"):
        return _diffusion(configs, read_json, easel, factor, "text_encoder", "text_encoder_2")
    transformer = read_json(configs / "transformer/config.json")
    if kind == "StableDiffusion3Pipeline":
        side = _side(easel, int(transformer["sample_size"]) * factor)
        return Traits("sd3", *side, factor * int(transformer["patch_size"]), 28, 5.0, FLOW_SCHEDULERS[0], FLOW_SCHEDULERS, 0)
    if kind == "FluxPipeline":
        guided = bool(transformer.get("guidance_embeds"))
        steps, guidance = (28, 3.5) if guided else (4, 0.0)
        side = _side(easel, 1024)
        return Traits("flux", *side, 2 * factor, steps, guidance, FLOW_SCHEDULERS[0], FLOW_SCHEDULERS, 0, guided, False)
    raise ValueError(f"_class_name {kind} is not one of the pipelines of SD 1 and 2, SDXL, SD3 and Flux")


def _diffusion(configs: pathlib.Path, read_json, easel: dict, factor: int, *encoders: str) -> Traits:
    unet = read_json(configs / "unet/config.json")
    own = read_json(configs / "scheduler/scheduler_config.json").get("_class_name")
    layers = [int(read_json(configs / e / "config.json")["num_hidden_layers"]) for e in encoders]
    xl = len(encoders) == 2
    architecture = "sdxl" if xl else "sd2" if unet.get("cross_attention_dim") == 1024 else "sd1"
    return Traits(
        architecture, *_side(easel, int(unet["sample_size"]) * factor), max(factor, 8), 30 if xl else 20, 5.0,
        own if own in DIFFUSION_SCHEDULERS else "EulerDiscreteScheduler", DIFFUSION_SCHEDULERS,
        # SDXL reads the last layer but one anyway.
        min(layers) - xl,
    )  # fmt: skip


def _side(easel: dict, side: int) -> tuple[int, int]:
    width, height = int(easel.get("width", side)), int(easel.get("height", side))
    if not (64 <= width <= 1 << 14 and 64 <= height <= 1 << 14):
        raise ValueError(f"a native size of {width} x {height} pixels")
    return width, height
