"""LoRA files (Hu et al. 2021, arXiv:2106.09685): which layer each tensor is for, whatever the file calls it.

Part of a LoRA is not that LoRA. diffusers warns and skips what it does not know; here every key must be a layer's
of this model and of its shape, or the file is refused by the first key that is not.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re

import torch
from safetensors import safe_open

from worker import faults

# The longer of two that match comes first.
ENDINGS = (
    (".lora_linear_layer.down.weight", "down"), (".lora_linear_layer.up.weight", "up"),
    (".lora_A.default.weight", "down"), (".lora_B.default.weight", "up"),
    (".lora_down.weight", "down"), (".lora_up.weight", "up"), (".lora.down.weight", "down"), (".lora.up.weight", "up"),
    ("_lora.down.weight", "down"), ("_lora.up.weight", "up"),  # attention processors of the first diffusers versions
    (".lora_A.weight", "down"), (".lora_B.weight", "up"), (".alpha", "alpha"),
)  # fmt: skip
# The first that matches counts. A PEFT adapter without one is for the denoiser.
BEGINNINGS = (
    ("lora_unet_", "denoiser"), ("lora_transformer_", "denoiser"), ("lora_te1_", "text_encoder"), ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"), ("unet.", "denoiser"), ("transformer.", "denoiser"), ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"), ("", "denoiser"),
)  # fmt: skip
PARTS = {"denoiser": ("unet", "transformer"), "text_encoder": ("text_encoder",), "text_encoder_2": ("text_encoder_2",)}


@dataclasses.dataclass
class Change:
    """The change of one layer: alpha / rank * up * down."""

    key: str  # the file's name for it, for errors
    down: torch.Tensor | None = None
    up: torch.Tensor | None = None
    alpha: float | None = None

    @property
    def rank(self) -> int:
        return self.down.shape[0]


Layers = dict[str, dict[str, torch.nn.Module]]  # by part, then by path
Changes = dict[str, dict[str, Change]]  # the same


class Names:
    """The layers of a model that can be changed, under the form that all the namings share."""

    def __init__(self, modules: dict[str, torch.nn.Module]):
        self.layers: Layers = {}
        self._flat: dict[tuple[str, str], str] = {}
        for part, components in PARTS.items():
            module = next((modules[c] for c in components if c in modules), None)
            if module is None:
                continue
            self.layers[part] = {n: m for n, m in module.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))}
            self._flat |= {(part, _flatten(n)): n for n in self.layers[part]}

    def find(self, key: str) -> tuple[str, str, str] | None:
        """Part, path and role of a tensor; None where it is no layer's."""
        rest = key.removeprefix("base_model.model.")
        rest, role = next(((rest.removesuffix(e), role) for e, role in ENDINGS if rest.endswith(e)), (rest, ""))
        part, rest = next((part, rest.removeprefix(b)) for b, part in BEGINNINGS if rest.startswith(b))
        for flat in (_flatten(rest), _diffusers_block(_flatten(rest))):
            if role and (part, flat) in self._flat:
                return part, self._flat[part, flat], role
        return None


def _flatten(path: str) -> str:
    path = path.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
    # The first diffusers versions name the projection without its place in the list.
    return path + "_0" if path.endswith("_to_out") else path


def _diffusers_block(path: str) -> str:
    """SDXL's own names of the attention blocks, which trainers use, as diffusers': three blocks a level."""
    if found := re.match(r"(input|output)_blocks_(\d+)_1_(.+)", path):
        level, block = divmod(int(found[2]) - (found[1] == "input"), 3)
        return f"{'down' if found[1] == 'input' else 'up'}_blocks_{level}_attentions_{block}_{found[3]}"
    return re.sub(r"^middle_block_1_", "mid_block_attentions_0_", path)


def read(path: pathlib.Path, names: Names, convert=None) -> Changes:
    """All changes of a file, each checked against its layer. Convert knows namings that have no rule here: it takes
    the file's tensors and returns others of the same meaning."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}
            metadata = file.metadata() or {}
    except Exception as error:  # safetensors raises types of its own
        raise faults.Failure(faults.MODEL_BROKEN, f"LoRA {path.stem}: {error}") from None
    if not tensors:
        raise incompatible(path.stem, "the file has no layers")
    unknown = next((k for k in tensors if names.find(k) is None), None)
    if unknown and convert:
        tensors = convert(tensors)
        unknown = next((k for k in tensors if names.find(k) is None), None)
    if unknown:
        raise incompatible(path.stem, f"the model has no layer for the key {unknown}")
    return _collect(path, tensors, names, _alphas(path, metadata))


def incompatible(name: str, why: str) -> faults.Failure:
    return faults.Failure(faults.LORA_INCOMPATIBLE, f"LoRA {name}: {why}")


def _collect(path: pathlib.Path, tensors: dict[str, torch.Tensor], names: Names, alphas: dict[str, dict]) -> Changes:
    changes: Changes = {}
    for key in sorted(tensors):
        part, layer, role = names.find(key)
        change = changes.setdefault(part, {}).setdefault(layer, Change(key))
        setattr(change, role, float(tensors[key]) if role == "alpha" else tensors[key])
    for part, layers in changes.items():
        for layer, change in layers.items():
            _fit(path.stem, change, names.layers[part][layer])
            if change.alpha is None:
                change.alpha = _alpha(alphas.get(part, {}), change.rank)
    return changes


def _fit(name: str, change: Change, layer: torch.nn.Module) -> None:
    """Checks the shapes and brings the matrices to the layer's form: a 1 x 1 convolution is a matrix."""
    if change.down is None or change.up is None:
        raise incompatible(name, f"{change.key}: one of its two matrices is missing")
    weight = layer.weight
    rank, kernel = change.down.shape[0] if change.down.dim() in (2, 4) else 0, tuple(weight.shape[2:])
    down, up = (rank, weight.shape[1], *kernel), (weight.shape[0], rank, *(1 for _ in kernel))
    if not rank or _squeezed(change.down.shape) != _squeezed(down) or _squeezed(change.up.shape) != _squeezed(up):
        raise incompatible(name, f"the key {change.key} is for a layer of other shapes: it has {tuple(change.down.shape)} and {tuple(change.up.shape)}, the model's layer needs {down} and {up}")
    change.down, change.up = change.down.reshape(down), change.up.reshape(up)


def _squeezed(shape) -> tuple[int, ...]:
    shape = tuple(shape)
    return shape[:2] if shape[2:] in ((1, 1), ()) else shape


def _alphas(path: pathlib.Path, metadata: dict[str, str]) -> dict[str, dict]:
    """The alphas that diffusers stores beside the tensors, in the file's metadata, by part."""
    text = metadata.get("lora_adapter_metadata")
    if not text:
        return {}
    found: dict[str, dict] = {}
    try:
        for key, value in json.loads(text).items():
            component, _, field = key.partition(".")
            part = next((p for p, components in PARTS.items() if component in components), component)
            found.setdefault(part, {})[field] = value
    except (ValueError, AttributeError) as error:
        raise incompatible(path.stem, f"lora_adapter_metadata: {error}") from None
    for fields in found.values():
        if fields.get("use_dora") or fields.get("alpha_pattern"):
            raise incompatible(path.stem, "lora_adapter_metadata: use_dora and alpha_pattern are not implemented")
    return found


def _alpha(fields: dict, rank: int) -> float:
    """Without an alpha the scale is 1, as diffusers has it; with use_rslora it is alpha / sqrt(rank) (Kalajdzievski
    2023, arXiv:2312.03732)."""
    alpha = fields.get("lora_alpha")
    if alpha is None:
        return float(rank)
    return float(alpha) * rank**0.5 if fields.get("use_rslora") else float(alpha)
