"""Small pictures of latents, and pictures as files."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

SIDE = 16  # most latents on a side of a preview: decoding so few costs little beside a step, whatever the model
PIXELS = 256
QUALITIES = (80, 60, 40, 20)


@torch.no_grad()
def jpeg(vae, latents: torch.Tensor, limit: int) -> bytes | None:
    """A JPEG of latents (1, channels, height, width), which are averaged in squares first; None where it cannot be small enough."""
    square = -(-max(latents.shape[-2:]) // SIDE)
    small = torch.nn.functional.avg_pool2d(latents.float(), square) if square > 1 else latents
    picture = Image.fromarray(to_levels(decode(vae, small)))
    picture.thumbnail((PIXELS, PIXELS))
    for quality in QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() <= limit:
            return out.getvalue()
    return None


def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Latents to a picture of -1 to 1, on the processor."""
    shift = getattr(vae.config, "shift_factor", None) or 0
    scaled = (latents / vae.config.scaling_factor + shift).to(vae.dtype).to(vae.device)
    return vae.decode(scaled, return_dict=False)[0][0].float().cpu()


def to_levels(picture: torch.Tensor) -> np.ndarray:
    """(3, height, width) of -1 to 1 as 8-bit pixels. What is not a number becomes black."""
    share = torch.nan_to_num((picture / 2 + 0.5), nan=0.0).clamp(0, 1)
    return (share.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
