"""VAEs in place of a model's own."""

from __future__ import annotations

import json
import pathlib

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from worker import faults
from worker.library import Adapter


def load(adapter: Adapter, own_configs: pathlib.Path, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """A diffusers directory, or a file: with diffusers' names of the tensors, or with Stable Diffusion's own. A file
    has the configuration of the model's own VAE."""
    try:
        if adapter.path.is_dir():
            vae = AutoencoderKL.from_pretrained(str(adapter.path), local_files_only=True, use_safetensors=True, dtype=dtype)
        else:
            vae = _from_file(adapter.path, own_configs)
        return vae.to(device=device, dtype=dtype).eval().requires_grad_(False)
    except Exception as error:
        raise faults.Failure(faults.MODEL_BROKEN, f"vae {adapter.name}: {str(error)[:800]}") from error


def _from_file(path: pathlib.Path, configs: pathlib.Path) -> AutoencoderKL:
    weights = load_file(path)
    if not any(k.startswith("encoder.down_blocks.") for k in weights):
        return AutoencoderKL.from_single_file(str(path), config=str(configs.parent), subfolder="vae", local_files_only=True)
    vae = AutoencoderKL.from_config(json.loads((configs / "config.json").read_text()))
    vae.load_state_dict(weights)  # raises with the names of missing and surplus keys
    return vae
