"""Checks prompts of the diffusers runtime and makes the text states that the Go engine is compared with.

    python prompts.py [--check]

It reads the table of cases in runner/builtin/prompt/testdata, and writes states.safetensors beside it: what the
shipped model's text encoder makes of some prompts, in float32. With --check it writes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "runner/diffusers/worker"))

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import prompts

DATA = REPOSITORY / "runner/builtin/prompt/testdata"
MODEL = REPOSITORY / "runner/builtin/model"

# Prompt, negative prompt, clip skip; the name is that of the tensors.
STATES = {
    "weighted": ("(red:1.5) circle", None, 0),
    "long": ("a red circle (a blue star:1.3) [left] " * 11, "(green:0.5)", 0),
    "skipped": ("a ((red)) circle", None, 1),
}

# Prompts that diffusers understands itself.
PLAIN = ["", "a red circle", "red " * 75, "a\\b: na\u00efve <|endoftext|> red"]


def check_case(case: dict, tokenizer) -> None:
    text = case["text"] * case.get("repeat", 1)
    try:
        got = prompts.chunks(tokenizer, text)
    except prompts.PromptError as fault:
        assert str(fault) == case.get("error"), (case, fault)
        return
    assert "error" not in case, case
    if "pieces" in case:
        want, pieces = case["pieces"], prompts.parse(text)
        assert [p[0] for p in pieces] == [w[0] for w in want], (case, pieces)
        assert all(abs(p[1] - w[1]) <= 1e-6 * w[1] for p, w in zip(pieces, want)), (case, pieces)
    if "chunks" in case:
        assert len(got.ids) == len(case["chunks"]), (case, got)
        for row, runs in zip(got.weights, case["chunks"]):
            want = [w for n, w in runs for _ in range(n)]
            want = torch.tensor([1, *want, *[1] * (len(row) - 1 - len(want))], dtype=torch.float32)
            assert torch.equal(torch.tensor(row), want), (case, row)
            tokens = sum(n for n, _ in runs)
            assert got.ids[case["chunks"].index(runs)][tokens + 1] == tokenizer.eos_token_id, case


def check_limits(n: int = 50_000) -> None:
    """Brackets by the thousand must not take quadratic time; it would run for very long."""
    crossed = "(" * n + "[" * n + ")" * n
    for text in ("(" * n, crossed, "()" * n, "(a)[b]" * n, ":" * n, "(a:" + "1" * n, "(a:1.1" * n, ":  " * n, "\\" * n):
        with contextlib.suppress(prompts.PromptError):  # some are too heavy
            prompts.parse(text)


@torch.no_grad()
def check_plain(pipe: StableDiffusionPipeline) -> None:
    """Without weights and with at most 75 tokens the states are diffusers' own, to the bit."""
    for text in PLAIN:
        for negative in PLAIN:
            want = pipe.encode_prompt(text, "cpu", 1, True, negative)
            got = prompts.encode(pipe.text_encoder, pipe.tokenizer, text, negative)
            assert torch.equal(want[0], got[0]) and torch.equal(want[1], got[1]), (text, negative)
    if hasattr(pipe.text_encoder, "text_model"):  # where it is not, diffusers' own clip_skip fails
        want = pipe.encode_prompt(PLAIN[1], "cpu", 1, True, PLAIN[2], clip_skip=1)
        got = prompts.encode(pipe.text_encoder, pipe.tokenizer, PLAIN[1], PLAIN[2], clip_skip=1)
        assert torch.equal(want[0], got[0]) and torch.equal(want[1], got[1]), "clip skip"


@torch.no_grad()
def check_xl(tokenizer) -> None:
    """The same for the two encoders of SDXL, here with random weights."""
    torch.manual_seed(1)
    size = dict(vocab_size=len(tokenizer), intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
                bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    encoders = [
        CLIPTextModel(CLIPTextConfig(hidden_size=16, **size)).eval(),
        CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=24, projection_dim=24, **size)).eval(),
    ]
    second = CLIPTokenizer.from_pretrained(MODEL / "tokenizer", pad_token="!")
    pipe = StableDiffusionXLPipeline(None, *encoders, tokenizer, second, None, None)
    for zeros in (False, True):
        pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
        for skip in (0, 2):
            for negative in (None, "blue star"):
                want = pipe.encode_prompt(PLAIN[1], device="cpu", negative_prompt=negative, clip_skip=skip)
                got = prompts.encode_xl(encoders, [tokenizer, second], PLAIN[1], negative or "", skip, zero_empty=zeros)
                assert all(torch.equal(w, g) for w, g in zip(want, got, strict=True)), (skip, negative)
    embeds, other, pooled, _ = prompts.encode_xl(encoders, [tokenizer, second], "(red:1.5) " * 80, "blue")
    assert embeds.shape == other.shape == (1, 154, 40) and pooled.shape == (1, 24)


def check_clip_skip(pipe: StableDiffusionPipeline) -> None:
    for skip in (-1, 4):
        try:
            prompts.encode(pipe.text_encoder, pipe.tokenizer, "red", clip_skip=skip)
        except prompts.PromptError as fault:
            assert str(fault) == f"got clip_skip {skip}, want 0 to 3", fault
        else:
            raise AssertionError(f"clip_skip {skip} was taken")


def states(pipe: StableDiffusionPipeline) -> dict[str, torch.Tensor]:
    out = {}
    for name, (text, negative, skip) in STATES.items():
        embeds, other = prompts.encode(pipe.text_encoder, pipe.tokenizer, text, negative, skip)
        out[name] = embeds
        if other is not None:
            out[f"{name}.negative"] = other
    return {name: tensor.contiguous() for name, tensor in out.items()}


def main() -> None:
    torch.set_num_threads(1)  # so small a model is quickest so, and sums have one order
    pipe = StableDiffusionPipeline.from_pretrained(
        MODEL, torch_dtype=torch.float32, safety_checker=None, requires_safety_checker=False, local_files_only=True
    )
    for case in json.loads((DATA / "cases.json").read_text()):
        check_case(case, pipe.tokenizer)
    check_limits()
    check_plain(pipe)
    check_clip_skip(pipe)
    check_xl(pipe.tokenizer)
    if "--check" in sys.argv:
        return
    made = states(pipe)
    named = {name: dict(zip(("prompt", "negative", "skip"), values)) for name, values in STATES.items()}
    save_file(made, DATA / "states.safetensors", metadata={"prompts": json.dumps(named)})  # several keys would have no order
    (DATA / "states.safetensors").chmod(0o644)
    print({name: tuple(tensor.shape) for name, tensor in made.items()})


if __name__ == "__main__":
    main()
