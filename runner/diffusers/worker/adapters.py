"""LoRAs in use: as PEFT adapters beside the weights, which do not change, so that none leaves a trace."""

from __future__ import annotations

import collections
import pathlib
import re

import torch
from diffusers.utils import delete_adapter_layers, set_adapter_layers, set_weights_and_activate_adapters
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

from worker import loras

KEPT = 16  # adapters in memory, the longest unused of which goes first


class Adapters:
    """Those of one model in memory."""

    def __init__(self, modules: dict[str, torch.nn.Module], convert=None):
        self._names, self._convert = loras.Names(modules), convert
        self._modules = {p: next(modules[c] for c in loras.PARTS[p] if c in modules) for p in self._names.layers}
        self._loaded: collections.OrderedDict[str, set[str]] = collections.OrderedDict()  # name to its parts
        self._injected: set[str] = set()  # parts that have ever had one

    def activate(self, wanted: list[tuple[pathlib.Path, str, float]]) -> None:
        """Makes exactly these active: file, digest, weight. Weight 0 is the base model, to the bit."""
        names = [(self._load(path, digest), weight) for path, digest, weight in wanted]
        for part in self._injected:
            module = self._modules[part]
            active = [(n, w) for n, w in names if w != 0 and part in self._loaded[n]]
            set_adapter_layers(module, enabled=bool(active))
            if active:
                set_weights_and_activate_adapters(module, [n for n, _ in active], [w for _, w in active])
        while len(self._loaded) > max(KEPT, len(names)):
            self._drop(next(iter(self._loaded)))

    def _load(self, path: pathlib.Path, digest: str) -> str:
        name = "lora_" + digest[:32]
        if name not in self._loaded:
            changes = loras.read(path, self._names, self._convert)
            for part, layers in changes.items():
                self._injected.add(part)
                _inject(self._modules[part], name, layers)
            self._loaded[name] = set(changes)
        self._loaded.move_to_end(name)
        return name

    def _drop(self, name: str) -> None:
        for part in self._loaded.pop(name):
            delete_adapter_layers(self._modules[part], name)


def _inject(module: torch.nn.Module, name: str, layers: dict[str, loras.Change]) -> None:
    # The patterns match ends of paths, so a longer path has to be tried before one that it ends with.
    paths = sorted(layers, key=len, reverse=True)
    config = LoraConfig(
        r=1, target_modules="|".join(map(re.escape, paths)), init_lora_weights=False,
        rank_pattern={re.escape(p): layers[p].rank for p in paths}, alpha_pattern={re.escape(p): layers[p].alpha for p in paths},
    )  # fmt: skip
    inject_adapter_in_model(config, module, name)
    found = {n: m for n, m in module.named_modules() if isinstance(m, LoraLayer) and name in m.r}
    if set(found) != set(layers):
        raise RuntimeError(f"adapter for {len(layers)} layers became one for {len(found)}")
    for path, layer in found.items():
        weight = layer.get_base_layer().weight
        for matrix, value in ((layer.lora_A[name], layers[path].down), (layer.lora_B[name], layers[path].up)):
            matrix.weight = torch.nn.Parameter(value.to(weight.device, weight.dtype), requires_grad=False)
