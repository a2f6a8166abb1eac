"""Makes what diffusers does with init images, masks and clip skip, for the pipeline that golden.py stored.

    python pictures.py ../../runner/builtin/testdata
"""

from __future__ import annotations

import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from PIL import Image
from safetensors.torch import save_file

WIDTH, HEIGHT = 72, 64


def picture() -> torch.Tensor:
    """Any colours that differ from place to place, as [h, w, 3] of 0 to 255."""
    y, x, c = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), torch.arange(3), indexing="ij")
    return ((x * (3 + c) + y * (5 - c) + 40 * c) % 256).to(torch.uint8)


def mask() -> torch.Tensor:
    """White where painted, edges not on multiples of 8."""
    out = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    out[13:50, 20:61] = 255
    return out


@torch.no_grad()
def run(pipe, out: dict, name: str, **more) -> None:
    latents = []

    def keep(_pipe, _i, _t, kw):
        latents.append(kw["latents"][0].clone())
        return kw

    options = dict(prompt="a photo of a red cat", negative_prompt="blue dog", guidance_scale=5.0, num_inference_steps=6)
    options.update(more)
    pipe.set_progress_bar_config(disable=True)
    pipe(generator=torch.Generator().manual_seed(7), callback_on_step_end=keep, output_type="latent", **options)
    out[f"{name}.latents"] = torch.stack(latents)


def skipped(pipe: StableDiffusionPipeline, text: str) -> torch.Tensor:
    """States without the text encoder's last layer."""
    ids = pipe.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    states = pipe.text_encoder(ids, output_hidden_states=True).hidden_states
    return pipe.text_encoder.final_layer_norm(states[-2])


@torch.no_grad()
def main(target: pathlib.Path) -> None:
    torch.set_num_threads(1)
    pipe = StableDiffusionPipeline.from_pretrained(
        target / "first", torch_dtype=torch.float32, safety_checker=None, requires_safety_checker=False, local_files_only=True
    )
    parts = dict(pipe.components)
    out = {"picture": picture().to(torch.float16), "mask": mask().to(torch.float16)}
    init, white = Image.fromarray(picture().numpy()), Image.fromarray(mask().numpy())
    config = pipe.scheduler.config
    again = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    for name, kind, strength in (
        ("img2img-ddim", DDIMScheduler, 0.7),
        ("img2img-ancestral", EulerAncestralDiscreteScheduler, 0.5),
        ("img2img-heun", HeunDiscreteScheduler, 0.7),
        ("img2img-all", EulerAncestralDiscreteScheduler, 1.0),
    ):
        again.scheduler = kind.from_config(config)
        run(again, out, name, image=init, strength=strength)
    paint = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    for name, kind, strength in (
        ("inpaint-ddim", DDIMScheduler, 1.0),
        ("inpaint-ancestral", EulerAncestralDiscreteScheduler, 0.7),
        ("inpaint-heun", HeunDiscreteScheduler, 1.0),
    ):
        paint.scheduler = kind.from_config(config)
        run(paint, out, name, image=init, mask_image=white, strength=strength, height=HEIGHT, width=WIDTH)
    pipe.scheduler = DDIMScheduler.from_config(config)
    # The option of the same name looks for a layer where transformers 5 no longer has it.
    run(
        pipe, out, "clip-skip", prompt=None, height=HEIGHT, width=WIDTH, prompt_embeds=skipped(pipe, "a photo of a red cat")
    )
    save_file({k: v.contiguous() for k, v in out.items()}, target / "pictures.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
