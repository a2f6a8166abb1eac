"""Whether a model here can make a spec. The agent has checked the rest (api.ImageSpec.Faults); the limits that
protect the device are checked again."""

from __future__ import annotations

from worker import architectures, faults, library
from worker.faults import Fault, quote


def spec(found: library.Library, s: dict) -> library.Model:
    """Returns the model, or raises the first missing thing and all other faults at once."""
    model = found.model(str(s.get("model", "")))
    for i, lora in enumerate(s.get("loras") or []):
        _have(model.loras, lora["name"], f"loras[{i}].name", faults.LORA_NOT_FOUND)
    if s.get("vae"):
        _have(model.vaes, s["vae"], "vae", faults.MODEL_NOT_FOUND)
    faults.invalid([*_scheduler(found, model, s), *_size(model, s), *_limits(s), *_features(model, s), *_distilled(model, s)])
    return model


def _have(adapters: list[library.Adapter], name: str, field: str, code: str) -> None:
    if not any(a.name == name for a in adapters):
        there = ", ".join(a.name for a in adapters) or "none (nothing is installed)"
        raise faults.Failure(code, f"{field}: got {quote(name)}, want one of {there}")


def _scheduler(found: library.Library, model: library.Model, s: dict) -> list[Fault]:
    name, own = str(s.get("scheduler", "")), model.traits.schedulers
    if name in own:
        return []
    if name in found.schedulers() or name in architectures.DIFFUSION_SCHEDULERS:
        limit = f"{', '.join(own)}: model {model.name} of architecture {model.traits.architecture} works with no other"
        return [Fault("scheduler", quote(name), limit)]
    return [Fault("scheduler", quote(name), "one of " + ", ".join(own))]


def _size(model: library.Model, s: dict) -> list[Fault]:
    width, height, multiple = s["width"], s["height"], model.traits.multiple
    found = []
    if width * height > library.MAX_PIXELS:
        found.append(Fault("width x height", f"{width} x {height} = {width * height} pixels", f"at most {library.MAX_PIXELS} pixels"))
    if width % multiple or height % multiple or width < 64 or height < 64:
        found.append(Fault("width x height", f"{width} x {height}", f"multiples of {multiple} from 64, for model {model.name}"))
    return found


def _limits(s: dict) -> list[Fault]:
    limits = {"steps": (1, 500), "n": (1, 10), "seed": (0, 2**32 - 10)}
    return [Fault(f, str(s[f]), f"{low} to {high}") for f, (low, high) in limits.items() if not low <= s[f] <= high + 9 * (f == "seed")]


def _features(model: library.Model, s: dict) -> list[Fault]:
    found, none = [], "nothing: the runtime diffusers does no "
    if s.get("mode"):
        found.append(Fault("mode", quote(s["mode"]), none + str(s["mode"])))
    if s.get("token_merging", 0) > 0 and model.traits.architecture not in architectures.UNETS:
        found.append(Fault("token_merging", str(s["token_merging"]), f"0: model {model.name} of architecture {model.traits.architecture} has no UNet"))
    if s.get("clip_skip", 0) > model.traits.text_layers:
        found.append(Fault("clip_skip", str(s["clip_skip"]), f"at most {model.traits.text_layers}, what the text encoder of model {model.name} can leave out"))
    if s.get("safety_check") and not (model.safety_checker or model.closed_vocabulary):
        found.append(Fault("safety_check", "true", f"false: model {model.name} has no safety checker"))
    return found


def _distilled(model: library.Model, s: dict) -> list[Fault]:
    found, t = [], model.traits
    if not t.takes_guidance and s.get("guidance_scale", 0) > 1:
        found.append(Fault("guidance_scale", str(s["guidance_scale"]), f"at most 1: model {model.name} takes no guidance"))
    if not t.takes_negative and s.get("negative_prompt"):
        found.append(Fault("negative_prompt", "", f"none: model {model.name} of architecture {t.architecture} takes none"))
    if t.schedulers == architectures.FLOW_SCHEDULERS:
        found += [Fault(f"scheduler_options.{k}", str(v), f"none: {t.scheduler} takes no {k}") for k, v in (s.get("scheduler_options") or {}).items()]
    return found
