"""Prompts with weighted words and of more than 77 tokens, the same as runner/builtin/prompt in Go.

That package's documentation has the notation and the reasons. One table of cases holds both to it:
runner/builtin/prompt/testdata/cases.json, checked here by scripts/golden/prompts.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import struct

import torch

MAX_WEIGHT = 10
MAX_CHUNKS = 8
STEP = 1.1

_BLANKS = r"[ \t\n\f\r]*"
_MARK = re.compile(
    r"\\(?P<escaped>[\\()\[\]])"
    rf"|:{_BLANKS}(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)){_BLANKS}\)"
    r"|(?P<bracket>[()\[\]])"
    r"|[\\:]"
    r"|[^\\()\[\]:]+"
)


class PromptError(ValueError):
    """A prompt that cannot be used; the message has the reason and is meant for the user."""


@dataclasses.dataclass
class _Mark:
    kind: str  # one of ()[], or nothing for text
    text: str
    number: str | None = None
    factor: float = 1.0


def parse(text: str) -> list[tuple[str, float]]:
    """Pieces of text with their weights, rounded to float32. Neighbours differ in weight, no piece is empty."""
    round_, square, pieces = [1.0], [1.0], []
    for mark in _pair(_scan(text)):
        if mark.kind == "(":
            round_.append(round_[-1] * mark.factor)
        elif mark.kind == "[":
            square.append(square[-1] * mark.factor)
        elif mark.kind == ")":
            round_.pop()
        elif mark.kind == "]":
            square.pop()
        else:
            weight = round_[-1] * square[-1]
            if not weight <= MAX_WEIGHT:
                raise PromptError(f"got the weight {weight:.4g} by brackets in brackets, want at most {MAX_WEIGHT}")
            pieces.append((mark.text, struct.unpack("f", struct.pack("f", weight))[0]))
    runs = itertools.groupby(pieces, key=lambda piece: piece[1])
    return [("".join(part for part, _ in run), weight) for weight, run in runs]


def _scan(text: str) -> list[_Mark]:
    marks = []
    for found in _MARK.finditer(text):
        if found["escaped"]:
            marks.append(_Mark("", found["escaped"]))
        elif found["number"]:
            marks.append(_Mark(")", found[0], found["number"]))
        elif found["bracket"]:
            factor = {"(": STEP, "[": 1 / STEP}.get(found[0], 1.0)
            marks.append(_Mark(found[0], found[0], factor=factor))
        else:
            marks.append(_Mark("", found[0]))
    return marks


def _pair(marks: list[_Mark]) -> list[_Mark]:
    """Gives opening brackets the weights at their ends; a closing one that closes nothing becomes text."""
    opened: dict[str, list[_Mark]] = {")": [], "]": []}
    for mark in marks:
        if mark.kind == "(":
            opened[")"].append(mark)
        elif mark.kind == "[":
            opened["]"].append(mark)
        elif mark.kind and not opened[mark.kind]:
            mark.kind = ""
        elif mark.kind:
            opener = opened[mark.kind].pop()
            if mark.number is not None:
                opener.factor = float(mark.number)
                if not 0 <= opener.factor <= MAX_WEIGHT:
                    raise PromptError(f"got the weight {mark.number[:20]}, want 0 to {MAX_WEIGHT}")
    return marks


@dataclasses.dataclass
class Chunks:
    """A prompt as sequences for one text encoder: a row of ids and one of weights per chunk."""

    ids: list[list[int]]
    weights: list[list[float]]

    def apply(self, states: torch.Tensor) -> torch.Tensor:
        """States (chunks, length, width) times the weights. Weights of 1 leave them as they are, to the bit."""
        if all(w == 1 for row in self.weights for w in row):
            return states
        weights = torch.tensor(self.weights, dtype=torch.float32, device=states.device)
        return (states.float() * weights[..., None]).to(states.dtype)


def chunks(tokenizer, text: str) -> Chunks:
    """Divides a prompt into chunks of as many tokens as the encoder takes at once, at least one."""
    tokens, weights = [], []
    for part, weight in parse(text):
        ids = tokenizer(part, add_special_tokens=False, verbose=False).input_ids
        tokens += ids
        weights += [weight] * len(ids)
    room = tokenizer.model_max_length - 2
    if len(tokens) > MAX_CHUNKS * room:
        raise PromptError(f"got {len(tokens)} tokens, want at most {MAX_CHUNKS * room}")
    out = Chunks([], [])
    for start in range(0, max(len(tokens), 1), max(room, 1)):
        _add(out, tokenizer, tokens[start : start + room], weights[start : start + room])
    return out


def _add(out: Chunks, tokenizer, tokens: list[int], weights: list[float]) -> None:
    padding = tokenizer.model_max_length - 2 - len(tokens)
    out.ids.append([tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding])
    out.weights.append([1.0, *weights, 1.0, *[1.0] * padding])


def pair(tokenizer, prompt: str, negative: str | None) -> tuple[Chunks, Chunks | None]:
    """Encodes a prompt and, if it is used, a negative prompt to equally many chunks; an error names the field."""
    out = []
    for field, text in (("prompt", prompt), ("negative_prompt", negative)):
        try:
            out.append(None if text is None else chunks(tokenizer, text))
        except PromptError as fault:
            raise PromptError(f"{field}: {fault}") from None
    most = max(len(c.ids) for c in out if c)
    for c in out:
        while c and len(c.ids) < most:
            _add(c, tokenizer, [], [])
    return out[0], out[1]


@torch.no_grad()
def encode(text_encoder, tokenizer, prompt: str, negative: str | None = None, clip_skip: int = 0, device=None):
    """prompt_embeds and negative_prompt_embeds (1, 77 x chunks, width) for the Stable Diffusion 1 and 2 pipelines.

    clip_skip leaves out so many of the last layers, for the prompt only: diffusers always encodes the negative
    prompt with all of them. Without a negative prompt (None: no guidance) its embeds are None.
    """
    positive, other = pair(tokenizer, prompt, negative)
    embeds = _states(text_encoder, tokenizer, positive, clip_skip, device)
    return embeds, other and _states(text_encoder, tokenizer, other, 0, device)


def _states(text_encoder, tokenizer, c: Chunks, clip_skip: int, device) -> torch.Tensor:
    out = _forward(text_encoder, c, device)
    if clip_skip == 0:
        states = out.last_hidden_state
    else:
        model = getattr(text_encoder, "text_model", text_encoder)  # transformers 5 has no such part
        states = model.final_layer_norm(_hidden(out, clip_skip, 1))
    return _joined(c.apply(states), text_encoder.dtype)


@torch.no_grad()
def encode_xl(text_encoders, tokenizers, prompt: str, negative: str | None = None, clip_skip: int = 0, device=None, zero_empty=False):
    """prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds and negative_pooled_prompt_embeds for SDXL.

    With zero_empty an empty negative prompt is zeros, as the pipeline's force_zeros_for_empty_prompt asks for.
    The pooled embeds are those of the first chunk; weights do not touch them.
    """
    positives, negatives, pooled, negative_pooled = [], [], None, None
    for encoder, tokenizer in zip(text_encoders, tokenizers, strict=True):
        positive, other = pair(tokenizer, prompt, negative)
        states, pooled = _states_xl(encoder, positive, clip_skip, device)
        positives.append(states)
        if other:
            states, negative_pooled = _states_xl(encoder, other, 0, device)
            negatives.append(states)
    embeds = torch.cat(positives, dim=-1)
    if negative is None:
        return embeds, None, pooled, None
    if zero_empty and negative == "":
        return embeds, torch.zeros_like(embeds), pooled, torch.zeros_like(pooled)
    return embeds, torch.cat(negatives, dim=-1), pooled, negative_pooled


def _states_xl(encoder, c: Chunks, clip_skip: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the last layer but one, without a norm; of the second encoder also what it makes of all tokens."""
    out = _forward(encoder, c, device)
    return _joined(c.apply(_hidden(out, clip_skip, 2)), encoder.dtype), out[0][:1]


def _forward(text_encoder, c: Chunks, device):
    if getattr(text_encoder.config, "use_attention_mask", False):
        raise PromptError("text encoders with use_attention_mask are not supported")
    ids = torch.tensor(c.ids, device=device if device is not None else text_encoder.device)
    return text_encoder(ids, output_hidden_states=True)


def _hidden(out, clip_skip: int, last: int) -> torch.Tensor:
    """States counted from the end, with last for clip_skip 0; the first of all are the embeddings."""
    most = len(out.hidden_states) - last
    if not 0 <= clip_skip <= most:
        raise PromptError(f"got clip_skip {clip_skip}, want 0 to {most}")
    return out.hidden_states[-(clip_skip + last)]


def _joined(states: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return states.reshape(1, -1, states.shape[-1]).to(dtype)
