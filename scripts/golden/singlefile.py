"""Weights of a Stable Diffusion 1 pipeline under the names that its own single files use."""

from __future__ import annotations

import re

import torch

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}


def tensors(pipe) -> dict[str, torch.Tensor]:
    out = {}
    for name, value in pipe.unet.state_dict().items():
        out["model.diffusion_model." + unet(name, pipe.unet.config.layers_per_block)] = value
    for name, value in pipe.vae.state_dict().items():
        renamed = vae(name, len(pipe.vae.config.block_out_channels))
        attention = ".mid.attn_1." in renamed and value.dim() == 2
        out["first_stage_model." + renamed] = value[:, :, None, None] if attention else value
    for name, value in pipe.text_encoder.state_dict().items():
        out["cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")] = value
    return {name: value.contiguous().clone() for name, value in out.items()}


def unet(name: str, layers: int) -> str:
    for ours, theirs in ENDS.items():
        if name.startswith(ours + "."):
            return theirs + name.removeprefix(ours)
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        return f"middle_block.{2 * int(found[2]) if found[1] == 'resnets' else 1}.{_resnet(found[3])}"
    side, level, kind, index, rest = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.+)", name).groups()
    level, index = int(level), int(index)
    if side == "down":
        block = (layers + 1) * level + 1 + (layers if kind == "downsamplers" else index)
        rest = rest.replace("conv.", "op.") if kind == "downsamplers" else _resnet(rest)
        return f"input_blocks.{block}.{int(kind == 'attentions')}.{rest}"
    block = (layers + 1) * level + (layers if kind == "upsamplers" else index)
    # The upsampler comes after the attention, where there is one: here at the last level, which has no upsampler.
    return f"output_blocks.{block}.{int(kind != 'resnets')}.{rest if kind == 'upsamplers' else _resnet(rest)}"


def _resnet(rest: str) -> str:
    first, _, more = rest.partition(".")
    return f"{RESNET.get(first, first)}.{more}"


def vae(name: str, levels: int) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
    if "mid_block.attentions.0" in name:
        name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
        name = name.replace("to_q", "q").replace("to_k", "k").replace("to_v", "v").replace("to_out.0", "proj_out")
    return name
