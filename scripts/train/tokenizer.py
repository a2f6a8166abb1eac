"""Writes the CLIP tokenizer files (vocab.json, merges.txt) for the closed caption vocabulary.

Byte-pair merges are learned until each caption word is one token. Every byte is a token too, with and
without the end-of-word mark, so any other text still encodes: into bytes.
"""

from __future__ import annotations

import collections
import json
import pathlib

from shapes import vocabulary

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 77


def byte_symbols() -> list[str]:
    """The printable stand-ins for the 256 bytes, as in OpenAI's byte-level BPE."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols, spare = {b: chr(b) for b in keep}, 256
    for b in range(256):
        if b not in symbols:
            symbols[b] = chr(spare)
            spare += 1
    return [symbols[b] for b in range(256)]


def merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def build() -> tuple[dict[str, int], list[str]]:
    words = [[*word[:-1], word[-1] + "</w>"] for word in vocabulary()]
    merges: list[str] = []
    while any(len(parts) > 1 for parts in words):
        pairs = collections.Counter(pair for parts in words for pair in zip(parts, parts[1:]))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(" ".join(best))
        words = [merge(parts, best) for parts in words]
    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges] + [BEGIN, END]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, merges


def write(directory: pathlib.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    vocab, merges = build()
    (directory / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")))
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = lambda t: {"content": t, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    (directory / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": special(BEGIN), "eos_token": special(END), "pad_token": END, "unk_token": special(END)}, indent=2)
    )
    (directory / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "add_prefix_space": False,
                "bos_token": BEGIN,
                "eos_token": END,
                "pad_token": END,
                "unk_token": END,
                "do_lower_case": True,
                "errors": "replace",
                "model_max_length": MAX_TOKENS,
                "tokenizer_class": "CLIPTokenizer",
            },
            indent=2,
        )
    )
