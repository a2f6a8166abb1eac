"""Makes the test data of runner/builtin: small pipelines with random weights, and what diffusers does with them.

    python golden.py ../../runner/builtin/testdata

The weights are stored in float16 and computed with in float32, there and here. Everything is seeded.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import pieces

PROMPTS = [
    "a photo of a red cat",
    "",
    "A  PHOTO\tof\n Cats!! ",
    "it's 2024, we'll see: they've 1/2",
    "na\u00efve caf\u00e9 \u0130stanbul stra\u00dfe \u03a3\u0391\u03a3",
    "\u65e5\u672c\u8a9e \U0001f3a8 \u00bd \u2160",
    "red <|endoftext|> cat <|startoftext|>!!",
    "<|ENDOFTEXT|>!! a<|startoftext|>b",
    "cat " * 100,
    "x" * 300,
    "e\u0301 n\u0303 \u1100\u1161",
    "\u00a0\u2003wide\u0085blank\u200bnot",
    "'s 'S ''re don't '",
]


def randomise(model: torch.nn.Module, seed: int, gain: float) -> torch.nn.Module:
    """Every weight and bias gets a value that matters; the defaults leave norms at 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if p.dim() == 1:
            p.data = noise * 0.1 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            fan = p[0].numel() if "embedding.weight" not in name else 4
            p.data = noise * gain / fan**0.5
    return model


def first() -> StableDiffusionPipeline:
    """Attention at the top, three levels, an odd number of groups, heads per level, attention in the VAE."""
    unet = UNet2DConditionModel(
        sample_size=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(12, 18, 21),
        layers_per_block=1,
        cross_attention_dim=20,
        attention_head_dim=(2, 3, 7),
        norm_num_groups=3,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(6, 9, 12),
        layers_per_block=1,
        norm_num_groups=3,
        sample_size=64,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )
    return assemble(unet, vae, scheduler, "quick_gelu", 20, 4)


def second() -> StableDiffusionPipeline:
    """Linear projections, several transformer layers, lists, v prediction, no attention in the VAE."""
    unet = UNet2DConditionModel(
        sample_size=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=(2, 1),
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        norm_eps=1e-6,
        use_linear_projection=True,
        flip_sin_to_cos=False,
        freq_shift=1,
        center_input_sample=True,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.3,
        mid_block_add_attention=False,
        use_post_quant_conv=False,
        use_quant_conv=False,
    )
    scheduler = PNDMScheduler(
        beta_start=0.0001, beta_end=0.02, beta_schedule="linear", skip_prk_steps=True, prediction_type="v_prediction"
    )
    return assemble(unet, vae, scheduler, "gelu", 16, 2)


def assemble(unet, vae, scheduler, act: str, width: int, heads: int) -> StableDiffusionPipeline:
    work = pathlib.Path(tempfile.mkdtemp())
    vocabulary = pieces.write_tokenizer(work)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocabulary), hidden_size=width, intermediate_size=3 * width, projection_dim=width,
            num_hidden_layers=2, num_attention_heads=heads, max_position_embeddings=77, hidden_act=act,
            bos_token_id=vocabulary[pieces.BEGIN], eos_token_id=vocabulary[pieces.END], pad_token_id=vocabulary["!"],
        )
    )
    return StableDiffusionPipeline(
        unet=randomise(unet, 1, 1.0), vae=randomise(vae, 2, 0.8), text_encoder=randomise(text, 3, 1.2),
        tokenizer=CLIPTokenizer.from_pretrained(work), scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def store(pipe: StableDiffusionPipeline, target: pathlib.Path, old_names: bool) -> None:
    """Saves in float16. One of the two has the names of older versions, and an older scheduler file."""
    pipe.to(torch.float16).save_pretrained(target)
    for extra in (target / "tokenizer").iterdir():
        extra.unlink()
    pieces.write_tokenizer(target / "tokenizer")
    if old_names:
        pieces.drop_vae_encoder(target / "vae" / "diffusion_pytorch_model.safetensors")
        pieces.old_names(target)
    pieces.anonymous(target)


def load(target: pathlib.Path, reference: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """The stored pipeline in float32. One VAE is stored without its encoder; the reference's own is put back."""
    vae = reference.vae.to(torch.float32)
    pipe = StableDiffusionPipeline.from_pretrained(
        target, vae=vae, torch_dtype=torch.float32, safety_checker=None, requires_safety_checker=False, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def walk(pipe: StableDiffusionPipeline, out: dict, name: str, **more) -> None:
    """One whole run: the latents of every step and the pixels."""
    latents = []

    def keep(_pipe, _i, _t, kw):
        latents.append(kw["latents"][0].clone())
        return kw

    options = dict(height=64, width=72, num_inference_steps=10, guidance_scale=5.0, negative_prompt="blue dog")
    options.update(more)
    picture = pipe(
        "a photo of a red cat", generator=torch.Generator().manual_seed(7), callback_on_step_end=keep,
        output_type="np", **options,
    ).images[0]
    out[f"{name}.latents"] = torch.stack(latents)
    if name in ("ddim", "euler"):
        out[f"{name}.pixels"] = torch.from_numpy((picture * 255).round()).to(torch.float16)


@torch.no_grad()
def parts(pipe: StableDiffusionPipeline, out: dict) -> None:
    ids = pipe.tokenizer(PROMPTS[:2], padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    states = pipe.text_encoder(ids).last_hidden_state
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, 4, 11, 16, generator=generator)
    out["text.states"] = states
    out["unet.sample"], out["unet.output"] = sample, pipe.unet(sample, 801, states).sample
    latents = torch.randn(1, 4, 9, 8, generator=generator)
    out["vae.latents"] = latents
    out["vae.output"] = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    if pipe.vae.quant_conv is not None:
        picture = torch.rand(1, 3, 40, 32, generator=generator) * 2 - 1
        latent = pipe.vae.encode(picture).latent_dist
        out["vae.picture"], out["vae.mean"], out["vae.deviation"] = picture, latent.mean, latent.std


def adapters(pipe: StableDiffusionPipeline, target: pathlib.Path, out: dict) -> None:
    """Both namings of a LoRA. diffusers applies the PEFT one; the other is merged by its formula."""
    peft = pieces.peft_lora(pipe, seed=5)
    save_file(peft, target / "peft.safetensors")
    pipe.load_lora_weights(target, weight_name="peft.safetensors", adapter_name="a")
    pipe.set_adapters(["a"], adapter_weights=[0.8])
    walk(pipe, out, "peft", num_inference_steps=4)
    pipe.unload_lora_weights()

    kohya = pieces.kohya_lora(pipe, seed=6)
    save_file(kohya, target / "kohya.safetensors")
    pieces.merge_kohya(pipe, kohya, weight=-0.6)
    walk(pipe, out, "kohya", num_inference_steps=4)


def main(target: pathlib.Path) -> None:
    torch.set_num_threads(1)
    target.mkdir(parents=True, exist_ok=True)
    for name, make in (("first", first), ("second", second)):
        reference, out = make(), {}
        store(reference, target / name, old_names=name == "second")
        pipe = load(target / name, reference)
        parts(pipe, out)
        own = pipe.scheduler
        pipe.scheduler = own if isinstance(own, DDIMScheduler) else DDIMScheduler.from_config(own.config)
        walk(pipe, out, "ddim")
        pipe.scheduler = EulerDiscreteScheduler.from_config(own.config)
        walk(pipe, out, "euler")
        walk(pipe, out, "unguided", guidance_scale=1.0, num_inference_steps=3)
        if name == "first":
            adapters(pipe, target, out)
        save_file({k: v.contiguous() for k, v in out.items()}, target / f"{name}.safetensors")
    tokenizer = CLIPTokenizer.from_pretrained(target / "first" / "tokenizer")
    ids = tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True).input_ids
    rows = [{"prompt": p, "ids": i} for p, i in zip(PROMPTS, ids)]
    (target / "tokens.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    noise = {f"{s}.{n}": torch.randn(n, generator=torch.Generator().manual_seed(s)) for s in (0, 42, 2**32 - 1) for n in (16, 300, 1024)}
    save_file(noise, target / "noise.safetensors")


if __name__ == "__main__":
    np.random.seed(0)
    torch.manual_seed(0)
    main(pathlib.Path(sys.argv[1]))
