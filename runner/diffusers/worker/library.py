"""What this machine has: models, LoRAs and VAEs, read from configurations alone. Nothing here imports PyTorch."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
import re

from worker import architectures, digest, faults
from worker.options import Options

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
MAX_PIXELS = 2048 * 2048
SIZE_STEP = 8
MAX_CONFIG = 1 << 20


@dataclasses.dataclass
class Adapter:
    """A LoRA or VAE file, or a VAE directory."""

    name: str
    path: pathlib.Path
    digest: str

    def describe(self) -> dict:
        return {"name": self.name, "digest": self.digest}


@dataclasses.dataclass
class Model:
    name: str
    path: pathlib.Path  # a diffusers directory, or a .safetensors file
    configs: pathlib.Path  # the directory, or the one of configurations beside the file
    digest: str
    index: dict
    traits: architectures.Traits
    easel: dict
    loras: list[Adapter]
    vaes: list[Adapter]

    @property
    def single_file(self) -> bool:
        return self.path.is_file()

    @property
    def closed_vocabulary(self) -> bool:
        return bool(self.easel.get("closed_vocabulary"))

    @property
    def safety_checker(self) -> bool:
        return architectures.component(self.index, "safety_checker") and (self.path / "safety_checker").is_dir()

    def describe(self) -> dict:
        t = self.traits
        described = {
            "name": self.name, "architecture": t.architecture, "digest": self.digest, "width": t.width, "height": t.height,
            "steps": int(self.easel.get("steps", t.steps)), "guidance_scale": float(self.easel.get("guidance_scale", t.guidance_scale)),
            "scheduler": self.easel.get("scheduler", t.scheduler), "loras": [a.describe() for a in self.loras],
            "vaes": [a.describe() for a in self.vaes], "text_layers": t.text_layers, "safety_checker": self.safety_checker,
            "schedulers": list(t.schedulers), "closed_vocabulary": self.closed_vocabulary, "plain_background": bool(self.easel.get("plain_background")),
        }  # fmt: skip
        if defaults := self.easel.get("scheduler_defaults"):
            described["scheduler_defaults"] = {n: d for n, d in defaults.items() if n in t.schedulers}
        return described


@dataclasses.dataclass
class Library:
    models: list[Model]
    version: str

    def model(self, name: str) -> Model:
        for m in self.models:
            if m.name == name:
                return m
        raise faults.Failure(faults.MODEL_NOT_FOUND, f"model: got {faults.quote(name)}, want one of {_names(self.models)}")

    def schedulers(self) -> list[str]:
        offered = {s: None for m in self.models for s in m.traits.schedulers}
        return list(offered) or list(architectures.DIFFUSION_SCHEDULERS)

    def describe(self) -> dict:
        return {
            "name": "diffusers", "version": self.version, "models": [m.describe() for m in self.models],
            "schedulers": self.schedulers(), "features": list(architectures.FEATURES), "max_pixels": MAX_PIXELS, "size_step": SIZE_STEP,
        }  # fmt: skip


def find(options: Options) -> Library:
    memory = digest.Memory(options.cache)
    loras = [a for d in options.lora_dirs for a in _files(d, memory)]
    vaes = [a for d in options.vae_dirs for a in _files(d, memory) + _directories(d, memory)]
    models = []
    for path in options.model_dirs:
        model = _model(path, memory)
        own = options.own_loras.get(model.name)
        model.loras = _unique((_files(own, memory) if own else []) + loras)
        model.vaes = _unique(vaes) if model.traits.architecture in architectures.UNETS else []
        models.append(model)
    return Library(models, version())


def version() -> str:
    try:
        return "1 (" + ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("diffusers", "torch")) + ")"
    except importlib.metadata.PackageNotFoundError as missing:
        raise faults.Failure(faults.RUNTIME_FAILED, f"this Python has no package {missing.name}: run easel runtime install diffusers") from None


def _model(path: pathlib.Path, memory: digest.Memory) -> Model:
    path = path.resolve()
    single = path.suffix == ".safetensors" and path.is_file()
    name, configs = (path.stem, path.with_suffix("")) if single else (path.name, path)
    if not NAME.fullmatch(name):
        raise _broken(name, "its name is not a plain name of letters, digits, '.', '_' and '-'")
    if single and not configs.is_dir():
        raise _broken(name, f"{path.name} needs a directory {configs.name} beside it with model_index.json, the configurations and the tokenizers")
    try:
        index = read_json(configs / "model_index.json")
        easel = read_json(configs / "easel.json") if (configs / "easel.json").is_file() else {}
        traits = architectures.read(configs, index, read_json, easel)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(name, f"{type(error).__name__}: {error}") from None
    sum_ = digest.of_file(path, memory) if single else digest.of_tree(path, memory)
    return Model(name, path, configs, sum_, index, traits, easel, [], [])


def read_json(path: pathlib.Path) -> dict:
    if path.stat().st_size > MAX_CONFIG:
        raise ValueError(f"{path.name}: over {MAX_CONFIG} bytes")
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no object")
    return value


def _broken(name: str, why: str) -> faults.Failure:
    return faults.Failure(faults.MODEL_BROKEN, f"model {name}: {why}")


def _files(directory: pathlib.Path, memory: digest.Memory) -> list[Adapter]:
    try:
        found = sorted(directory.iterdir())
    except OSError as error:
        raise faults.Failure(faults.RUNTIME_FAILED, f"directory {directory}: {error.strerror}") from None
    return [
        Adapter(p.stem, p, digest.of_file(p, memory))
        for p in found
        if p.suffix == ".safetensors" and p.is_file() and NAME.fullmatch(p.stem)
    ]


def _directories(directory: pathlib.Path, memory: digest.Memory) -> list[Adapter]:
    found = [p for p in sorted(directory.iterdir()) if (p / "config.json").is_file() and NAME.fullmatch(p.name)]
    return [Adapter(p.name, p, digest.of_tree(p, memory)) for p in found]


def _unique(adapters: list[Adapter]) -> list[Adapter]:
    """The first of a name counts."""
    return list({a.name: a for a in reversed(adapters)}.values())[::-1]


def _names(items) -> str:
    return ", ".join(i.name for i in items) or "none (nothing is installed)"
