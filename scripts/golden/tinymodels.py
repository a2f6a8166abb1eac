"""Makes tiny models of every architecture with random weights, for tests: SD 1, SDXL, SD3 and Flux.

    python tinymodels.py DIR

DIR/sd1, DIR/sdxl, DIR/sd3 and DIR/flux are diffusers directories, DIR/loras/NAME has LoRAs for each of them, DIR/vaes
another VAE for the first two, DIR/single.safetensors is the first as one file, with DIR/single beside it, DIR/checked the
first with a safety checker. The same every time. Nothing is fetched: the tokenizers are made here as well.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import sys

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", DIFFUSERS_VERBOSITY="error")

import diffusers
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
import singlefile
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

LENGTH = 77
CLIP_WIDTH, T5_WIDTH = 16, 24


def clip_tokenizer(work: pathlib.Path) -> CLIPTokenizer:
    """Letters, alone and at the end of a word, and the two marks."""
    letters = sorted(set(map(chr, range(33, 127))) | {"\u0120"})
    words = [*letters, *(c + "</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    work.mkdir(parents=True, exist_ok=True)
    (work / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (work / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    vocabulary = json.loads((work / "vocab.json").read_text())
    for word in ("re", "red</w>"):
        vocabulary[word] = len(vocabulary)
    (work / "vocab.json").write_text(json.dumps(vocabulary))
    return CLIPTokenizer(str(work / "vocab.json"), str(work / "merges.txt"), model_max_length=LENGTH)


def t5_tokenizer() -> T5TokenizerFast:
    """A unigram model of letters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *((chr(c), -3.0) for c in range(33, 127))]
    backend = Tokenizer(models.Unigram(pieces, unk_id=2))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return T5TokenizerFast(tokenizer_object=backend, vocab=pieces, extra_ids=0, model_max_length=512)


def clip(kind, tokenizer: CLIPTokenizer, width: int = CLIP_WIDTH):
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=LENGTH, projection_dim=width, **marks,
    )  # fmt: skip
    return kind(config)


def t5(tokenizer) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=len(tokenizer) + 4, d_model=T5_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2))


def vae(channels: int = 4, quantized: bool = True, **more) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        layers_per_block=1, latent_channels=channels, norm_num_groups=2, sample_size=64, use_quant_conv=quantized, use_post_quant_conv=quantized, **more,
    )  # fmt: skip


def unet(**more) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=2, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **more,
    )  # fmt: skip


def sd1(work: pathlib.Path) -> diffusers.StableDiffusionPipeline:
    tokenizer = clip_tokenizer(work)
    scheduler = diffusers.PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    return diffusers.StableDiffusionPipeline(
        vae=vae(), text_encoder=clip(CLIPTextModel, tokenizer), tokenizer=tokenizer, unet=unet(cross_attention_dim=CLIP_WIDTH),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def sdxl(work: pathlib.Path) -> diffusers.StableDiffusionXLPipeline:
    tokenizer = clip_tokenizer(work)
    scheduler = diffusers.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")
    denoiser = unet(
        cross_attention_dim=2 * CLIP_WIDTH, addition_embed_type="text_time", addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + CLIP_WIDTH, use_linear_projection=True, transformer_layers_per_block=(1, 2),
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(), text_encoder=clip(CLIPTextModel, tokenizer), text_encoder_2=clip(CLIPTextModelWithProjection, tokenizer),
        tokenizer=tokenizer, tokenizer_2=tokenizer, unet=denoiser, scheduler=scheduler, force_zeros_for_empty_prompt=True,
    )  # fmt: skip


def sd3(work: pathlib.Path) -> diffusers.StableDiffusion3Pipeline:
    """With the third text encoder, which real directories have and may leave out."""
    tokenizer, big = clip_tokenizer(work), t5_tokenizer()
    denoiser = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, num_layers=1, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=2 * CLIP_WIDTH, caption_projection_dim=32, pooled_projection_dim=2 * CLIP_WIDTH, out_channels=16, pos_embed_max_size=32,
    )  # fmt: skip
    pipe = diffusers.StableDiffusion3Pipeline(
        transformer=denoiser, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), vae=vae(16, False, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip(CLIPTextModelWithProjection, tokenizer), tokenizer=tokenizer, text_encoder_2=clip(CLIPTextModelWithProjection, tokenizer),
        tokenizer_2=tokenizer, text_encoder_3=None, tokenizer_3=big,
    )  # fmt: skip
    # As wide as both CLIP encoders beside each other, which is what the transformer reads.
    pipe.register_modules(text_encoder_3=T5EncoderModel(T5Config(vocab_size=len(big) + 4, d_model=2 * CLIP_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)))
    return pipe


def flux(work: pathlib.Path) -> diffusers.FluxPipeline:
    tokenizer, big = clip_tokenizer(work), t5_tokenizer()
    denoiser = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=T5_WIDTH, pooled_projection_dim=CLIP_WIDTH, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), vae=vae(4, False, shift_factor=0.12, scaling_factor=0.36),
        text_encoder=clip(CLIPTextModel, tokenizer), tokenizer=tokenizer, text_encoder_2=t5(big), tokenizer_2=big, transformer=denoiser,
    )  # fmt: skip


def lora(module: torch.nn.Module, prefix: str, ending: str, rank: int = 2) -> dict[str, torch.Tensor]:
    """Random changes of the layers whose names have the ending, under PEFT's names."""
    out = {}
    for name, layer in module.named_modules():
        if name.endswith(ending) and isinstance(layer, torch.nn.Linear):
            out[f"{prefix}.{name}.lora_A.weight"] = torch.randn(rank, layer.in_features)
            out[f"{prefix}.{name}.lora_B.weight"] = torch.randn(layer.out_features, rank)
    return out


def kohya(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same LoRA under the names of kohya's trainer."""
    out = {}
    for key, value in tensors.items():
        component, _, rest = key.partition(".")
        path, matrix = re.fullmatch(r"(.+)\.lora_([AB])\.weight", rest).groups()
        prefix = {"unet": "lora_unet", "text_encoder": "lora_te_text_model"}[component]
        layer = f"{prefix}_{path.replace('.', '_')}"
        out[f"{layer}.lora_{'down' if matrix == 'A' else 'up'}.weight"] = value
        out[f"{layer}.alpha"] = torch.tensor(2.0)
    return out


def save_single(pipe, target: pathlib.Path) -> None:
    """The pipeline as one file, with its configurations beside it."""
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(target / "sd1", target / "single", ignore=ignored)
    save_file(singlefile.tensors(pipe), target / "single.safetensors")


def save_checked(target: pathlib.Path) -> None:
    """The first model with a safety checker that objects to every picture."""
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(text_config=size, vision_config={**size, "image_size": 32, "patch_size": 16, "projection_dim": 8}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    torch.nn.init.constant_(checker.concept_embeds_weights, -2)  # similarities that count, from -2: all do
    shutil.copytree(target / "sd1", target / "checked")
    checker.save_pretrained(target / "checked" / "safety_checker")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(target / "checked" / "feature_extractor")
    index = json.loads((target / "checked" / "model_index.json").read_text())
    index |= {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "feature_extractor": ["transformers", "CLIPImageProcessor"]}
    (target / "checked" / "model_index.json").write_text(json.dumps(index))


def main(target: pathlib.Path) -> None:
    torch.manual_seed(0)
    work, loras = target / "work", target / "loras"
    diffusers.utils.logging.disable_progress_bar()
    for make in (sd1, sdxl, sd3, flux):
        name = make.__name__
        pipe = make(work / name)
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                _enliven(part)
        pipe.save_pretrained(target / name, safe_serialization=True)
        (loras / name).mkdir(parents=True)
        denoiser = getattr(pipe, "unet", None) or pipe.transformer
        tensors = lora(denoiser, "unet" if hasattr(pipe, "unet") else "transformer", "to_q")
        if name == "sd1":
            tensors |= lora(pipe.text_encoder, "text_encoder", "q_proj")
            save_file(kohya(tensors), loras / name / "kohya.safetensors")
            save_single(pipe, target)
            save_checked(target)
        save_file(tensors, loras / name / "peft.safetensors")
    (target / "flux" / "easel.json").write_text(json.dumps({"width": 64, "height": 64}))
    spare = vae()
    _enliven(spare)
    spare.save_pretrained(target / "vaes" / "spare")
    shutil.rmtree(work)


def _enliven(part: torch.nn.Module) -> None:
    """Layers that begin as zeros would hide what comes before them."""
    for parameter in part.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
