"""The worker's arguments."""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib

DEVICES = ("auto", "cuda", "mps", "cpu")


@dataclasses.dataclass(frozen=True)
class Options:
    model_dirs: list[pathlib.Path]
    lora_dirs: list[pathlib.Path]
    vae_dirs: list[pathlib.Path]
    own_loras: dict[str, pathlib.Path]  # a model's name and the directory of LoRAs that only it is offered
    cache: pathlib.Path | None  # where digests of large files are remembered
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    compile: bool = False


def read(arguments: list[str]) -> Options:
    p = argparse.ArgumentParser("worker", allow_abbrev=False)
    p.add_argument("--model-dir", action="append", default=[], type=pathlib.Path, help="diffusers directory, or FILE.safetensors beside a directory FILE of configurations")
    p.add_argument("--lora-dir", action="append", default=[], type=pathlib.Path, help="directory of NAME.safetensors files, for every model")
    p.add_argument("--vae-dir", action="append", default=[], type=pathlib.Path, help="directory of NAME.safetensors files or NAME directories")
    p.add_argument("--own-lora-dir", action="append", default=[], metavar="MODEL=DIR", help="LoRAs for one model")
    p.add_argument("--cache-dir", type=pathlib.Path)
    p.add_argument("--device", default=os.environ.get("EASEL_DEVICE") or "auto", choices=DEVICES)
    p.add_argument("--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"))
    p.add_argument("--threads", default=0, type=int, help="of the processor; 0 leaves it to PyTorch")
    p.add_argument("--compile", action="store_true", help="compile the denoiser: the first picture of a size is late, later ones are faster")
    a = p.parse_args(arguments)
    own = dict(pair.split("=", 1) for pair in a.own_lora_dir)
    return Options(a.model_dir, a.lora_dir, a.vae_dir, {n: pathlib.Path(d) for n, d in own.items()}, a.cache_dir, a.device, a.dtype, a.threads, a.compile)
