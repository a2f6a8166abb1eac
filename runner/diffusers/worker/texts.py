"""Prompts as arguments of a pipeline, per architecture."""

from __future__ import annotations

import torch

from worker import faults, prompts
from worker.pipelines import Loaded


def arguments(loaded: Loaded, pipe, spec: dict, device: torch.device) -> dict:
    """The pipeline's arguments for the spec's texts. The text is encoded once for all images of a job."""
    encode = {"sd1": _clip, "sd2": _clip, "sdxl": _clip_twice, "sd3": _three, "flux": _flux}[loaded.model.traits.architecture]
    guided = spec["guidance_scale"] > 1
    try:
        return encode(loaded, pipe, spec, (spec.get("negative_prompt") or "") if guided else None, device)
    except prompts.PromptError as error:
        field = "clip_skip" if "clip_skip" in str(error) else "prompt"
        raise faults.Failure(faults.INVALID_REQUEST, str(error), [faults.Fault(field, "", str(error))]) from None


def _clip(loaded: Loaded, pipe, spec: dict, negative: str | None, device: torch.device) -> dict:
    positive, other = prompts.encode(pipe.text_encoder, pipe.tokenizer, spec["prompt"], negative, spec.get("clip_skip", 0), device)
    return {"prompt_embeds": positive, "negative_prompt_embeds": other}


def _clip_twice(loaded: Loaded, pipe, spec: dict, negative: str | None, device: torch.device) -> dict:
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    encoders, tokenizers = [pipe.text_encoder, pipe.text_encoder_2], [pipe.tokenizer, pipe.tokenizer_2]
    zero = bool(pipe.config.force_zeros_for_empty_prompt)
    made = prompts.encode_xl(encoders, tokenizers, spec["prompt"], negative, spec.get("clip_skip", 0), device, zero_empty=zero)
    return dict(zip(names, made, strict=True))


@torch.no_grad()
def _three(loaded: Loaded, pipe, spec: dict, negative: str | None, device: torch.device) -> dict:
    length = 256
    _fits(spec, pipe.tokenizer_3 if pipe.text_encoder_3 is not None else None, length, pipe.tokenizer)
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    made = pipe.encode_prompt(
        spec["prompt"], None, None, device=device, do_classifier_free_guidance=negative is not None,
        negative_prompt=negative, max_sequence_length=length,
    )  # fmt: skip
    return dict(zip(names, made, strict=True))


@torch.no_grad()
def _flux(loaded: Loaded, pipe, spec: dict, negative: str | None, device: torch.device) -> dict:
    length = 512 if loaded.model.traits.takes_guidance else 256  # what the two kinds were trained with
    _fits(spec, pipe.tokenizer_2, length, pipe.tokenizer)
    embeds, pooled, _ = pipe.encode_prompt(spec["prompt"], None, device=device, max_sequence_length=length)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled, "max_sequence_length": length}


def _fits(spec: dict, t5, length: int, clip) -> None:
    """Refuses what would be cut silently. CLIP has only an overall part in these models: where there is T5 it reads
    everything and CLIP the beginning, as the models were trained."""
    tokenizer, length = (t5, length) if t5 is not None else (clip, clip.model_max_length)
    for field in ("prompt", "negative_prompt"):
        tokens = len(tokenizer(spec.get(field) or "", verbose=False).input_ids)
        if tokens > length:
            raise prompts.PromptError(f"{field}: got {tokens} tokens, want at most {length}")
