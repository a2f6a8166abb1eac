"""The model's own safety checker. It only flags: what becomes of a flagged image is the agent's."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from worker.library import Model

OFF, CHECKED, CLOSED_VOCABULARY = "off", "checked", "closed_vocabulary"


def kind(model: Model, spec: dict) -> str:
    if not spec.get("safety_check"):
        return OFF
    return CLOSED_VOCABULARY if model.closed_vocabulary else CHECKED


@torch.no_grad()
def flagged(checker: torch.nn.Module, extractor, pixels: np.ndarray) -> bool:
    """Whether the checker objects to 8-bit pixels (height, width, 3). It works on the processor, once a picture."""
    seen = extractor(Image.fromarray(pixels), return_tensors="pt").pixel_values
    picture = pixels[None].astype(np.float32) / 255  # the checker blacks out what it is given: not ours
    _, found = checker.float()(images=picture, clip_input=seen)
    return bool(found[0])
