"""The smaller pieces of the test data: a tokenizer, LoRAs, older file forms."""

from __future__ import annotations

import collections
import json
import pathlib

import torch
from safetensors.torch import load_file, save_file

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORDS = "a photo of the red blue cat cats dog it we 's 'll see they wide blank not naive istanbul end start text".split()


def byte_symbols() -> list[str]:
    keep = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(b) if b in keep else chr(next(spare)) for b in range(256)]


def write_tokenizer(directory: pathlib.Path) -> dict[str, int]:
    """A byte-level vocabulary with a few merges; some bytes are left out, so the unknown token is met too."""
    directory.mkdir(parents=True, exist_ok=True)
    words = [[*w[:-1], w[-1] + "</w>"] for w in WORDS]
    merges = []
    while pairs := collections.Counter(p for w in words for p in zip(w, w[1:])):
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        words = [joined(w, best) for w in words]
    symbols = [s for i, s in enumerate(byte_symbols()) if i not in (0xF0, 0x9F)]
    tokens = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges), BEGIN, END]
    vocabulary = {t: i for i, t in enumerate(dict.fromkeys(tokens))}
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")))
    (directory / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = lambda t: {"content": t, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    names = {"bos_token": special(BEGIN), "eos_token": special(END), "unk_token": special(END), "pad_token": "!"}
    (directory / "special_tokens_map.json").write_text(json.dumps(names, indent=1))
    config = {"add_prefix_space": False, "do_lower_case": True, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "pad_token": "!"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    return vocabulary


def joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in word:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def drop_vae_encoder(file: pathlib.Path) -> None:
    tensors = load_file(file)
    save_file({k: v for k, v in tensors.items() if not k.startswith(("encoder.", "quant_conv."))}, file)


def old_names(target: pathlib.Path) -> None:
    """The text encoder's names as transformers 4 writes them, and a scheduler file without the newer fields."""
    file = target / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    save_file({k if k.startswith("text_model.") else "text_model." + k: v for k, v in tensors.items()}, file)
    file = target / "scheduler" / "scheduler_config.json"
    config = json.loads(file.read_text())
    for field in ("timestep_spacing", "steps_offset", "clip_sample"):
        config.pop(field, None)
    file.write_text(json.dumps(config, indent=2) + "\n")


def anonymous(target: pathlib.Path) -> None:
    """Leaves out where the files were made."""
    for file in target.rglob("*.json"):
        config = json.loads(file.read_text())
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2) + "\n")


def layers(model: torch.nn.Module, wanted: tuple[str, ...]) -> dict[str, torch.nn.Module]:
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {n: m for n, m in model.named_modules() if isinstance(m, kinds) and n.endswith(wanted)}


def random(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return (torch.randn(*shape, generator=generator) / shape[-1] ** 0.5).to(torch.float16)


def peft_lora(pipe, seed: int, rank: int = 3) -> dict[str, torch.Tensor]:
    generator, out = torch.Generator().manual_seed(seed), {}
    found = {"unet." + n: m for n, m in layers(pipe.unet, ("to_q", "to_k", "to_v", "to_out.0")).items()}
    found |= {"text_encoder.text_model." + n: m for n, m in layers(pipe.text_encoder, ("q_proj", "v_proj")).items()}
    for name, module in found.items():
        rows, columns = module.weight.shape
        out[f"{name}.lora_A.weight"] = random(generator, rank, columns)
        out[f"{name}.lora_B.weight"] = random(generator, rows, rank) * 0.5
    return out


def kohya_lora(pipe, seed: int, rank: int = 2) -> dict[str, torch.Tensor]:
    generator, out = torch.Generator().manual_seed(seed), {}
    wanted = ("to_q", "to_v", "ff.net.0.proj", "ff.net.2", "proj_in", "conv1", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv")
    found = {"lora_unet_" + n: m for n, m in layers(pipe.unet, wanted).items()}
    found |= {"lora_te_text_model_" + n: m for n, m in layers(pipe.text_encoder, ("k_proj", "fc1", "fc2")).items()}
    for name, module in found.items():
        name = name.replace(".", "_")
        rows, columns, *kernel = module.weight.shape
        out[f"{name}.lora_down.weight"] = random(generator, rank, columns, *kernel)
        out[f"{name}.lora_up.weight"] = random(generator, rows, rank, *(1 for _ in kernel)) * 0.5
        out[f"{name}.alpha"] = torch.tensor(1.5).to(torch.float16)
    return out


@torch.no_grad()
def merge_kohya(pipe, tensors: dict[str, torch.Tensor], weight: float) -> None:
    """W += weight * alpha / rank * up down (Hu et al. 2021), convolutions as networks of LoCon have it."""
    names = {"lora_unet_" + n.replace(".", "_"): m for n, m in layers(pipe.unet, ("",)).items()}
    names |= {"lora_te_text_model_" + n.replace(".", "_"): m for n, m in layers(pipe.text_encoder, ("",)).items()}
    for key in tensors:
        if not key.endswith(".alpha"):
            continue
        name = key.removesuffix(".alpha")
        down, up = tensors[f"{name}.lora_down.weight"].float(), tensors[f"{name}.lora_up.weight"].float()
        delta = up.flatten(1) @ down.flatten(1)
        module = names[name]
        module.weight += weight * tensors[key].float() / down.shape[0] * delta.view_as(module.weight)
