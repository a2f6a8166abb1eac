"""A model in memory, and the pipelines that use it: one per kind of job, all of the same components."""

from __future__ import annotations

import functools
import inspect
import os
import pathlib

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

from worker import architectures, faults
from worker.device import SLICED_ROOM, WHOLE_ROOM, Device, out_of_memory
from worker.library import Model

diffusers.utils.logging.disable_progress_bar()

CLASSES = {
    "sd1": ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
    "sdxl": ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"),
    "sd3": ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    "flux": ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline"),
}
CLASSES["sd2"] = CLASSES["sd1"]
KINDS = ("txt2img", "img2img", "inpaint")

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class Loaded:
    """One model's components on the device."""

    def __init__(self, model: Model, device: Device, compile_: bool):
        self.model, self._device = model, device
        _refuse_pickles(model)
        self._first = _read(model, device.dtype)
        # Out of the pipeline, which would black flagged pictures out whether a check was asked for or not.
        self.safety_checker = getattr(self._first, "safety_checker", None)
        if self.safety_checker is not None:
            self._first.register_modules(safety_checker=None)
            self.safety_checker.eval().requires_grad_(False)
        self.scheduler_config = dict(self._first.scheduler.config)
        self._pipelines = {"txt2img": self._first}
        for component in self.modules().values():
            component.requires_grad_(False)
            component.eval()
        self.offloaded = self._place()
        if compile_ and not self.offloaded:
            self.denoiser.compile()

    @property
    def denoiser(self) -> torch.nn.Module:
        return getattr(self._first, "unet", None) or self._first.transformer

    @property
    def vae(self):
        return self._first.vae

    def modules(self) -> dict[str, torch.nn.Module]:
        return {n: c for n, c in self._first.components.items() if isinstance(c, torch.nn.Module)}

    def pipeline(self, kind: str):
        """The pipeline for txt2img, img2img or inpaint."""
        if kind not in self._pipelines:
            made = _class(self.model, kind)
            takes = inspect.signature(made.__init__).parameters
            more = {"requires_safety_checker": False} if "requires_safety_checker" in takes else {}
            self._pipelines[kind] = made(**{n: c for n, c in self._first.components.items() if n in takes}, **more)
        pipe = self._pipelines[kind]
        pipe.set_progress_bar_config(disable=True)
        if self.offloaded:
            pipe.enable_model_cpu_offload(device=self._device.torch)
        return pipe

    def convert_lora(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """LoRA tensors under diffusers' names, for trainers' namings of SD3 and Flux that fuse or divide layers."""
        if self.model.traits.architecture not in ("sd3", "flux"):
            return tensors
        try:
            converted, alphas = self._first.lora_state_dict(tensors, return_alphas=True)
        except Exception as error:
            raise faults.Failure(faults.LORA_INCOMPATIBLE, f"LoRA: {error}") from None
        return converted | {k: torch.tensor(float(v)) for k, v in (alphas or {}).items()}

    def _place(self) -> bool:
        """Moves the weights to the device, or leaves them in memory and moves each part for its turn."""
        free = self._device.free()
        weights = sum(t.numel() * t.element_size() for m in self.modules().values() for t in [*m.parameters(), *m.buffers()])
        if free is not None and free < weights + WHOLE_ROOM:
            self._first.enable_attention_slicing() if hasattr(self._first, "enable_attention_slicing") else None
            self.vae.enable_slicing()
            self.vae.enable_tiling()
        if free is not None and free < weights + SLICED_ROOM:
            return True
        self._first.to(self._device.torch)
        return False


@functools.cache
def _signature(kind: type) -> frozenset[str]:
    return frozenset(inspect.signature(kind.__call__).parameters)


def parameters(pipe) -> frozenset[str]:
    """The arguments that a pipeline takes; not all take the same."""
    return _signature(type(pipe))


def _class(model: Model, kind: str):
    return getattr(diffusers, CLASSES[model.traits.architecture][KINDS.index(kind)])


def _refuse_pickles(model: Model) -> None:
    # In directories behind links, too: the digest has made sure that those do not lead in circles.
    walk = os.walk(model.configs, followlinks=True)
    pickles = sorted(pathlib.Path(directory, f) for directory, _, files in walk for f in files if f.endswith(PICKLES))
    if pickles:
        name = pickles[0].relative_to(model.configs)
        raise _broken(model, f"{name} is a pickle, which can run code when it is read; only safetensors are, so take it out of the directory")


def _broken(model: Model, why: object) -> faults.Failure:
    return faults.Failure(faults.MODEL_BROKEN, f"model {model.name}: {str(why)[:800]}")


def _read(model: Model, dtype: torch.dtype):
    kind, more = _class(model, "txt2img"), {}
    if model.traits.architecture in ("sd1", "sd2"):
        more["requires_safety_checker"] = False
        if not model.safety_checker:
            more["safety_checker"] = None
    try:
        if model.single_file:
            pipe = kind.from_single_file(str(model.path), config=str(model.configs), local_files_only=True, dtype=dtype, **more)
        else:
            pipe = kind.from_pretrained(str(model.path), local_files_only=True, **_components(model, dtype), **more)
    except Exception as error:
        if out_of_memory(error) or isinstance(error, faults.Failure):
            raise
        raise _broken(model, error) from error
    for name, part in pipe.components.items():
        if isinstance(part, torch.nn.Module):
            for key, tensor in part.named_parameters():
                if tensor.is_meta:  # of a single file that lacks it
                    raise _broken(model, f"{name} lacks the weight {key}")
            part.to(dtype=dtype) if any(t.is_floating_point() and t.dtype != dtype for t in part.parameters()) else None
    return pipe


def _components(model: Model, dtype: torch.dtype) -> dict[str, torch.nn.Module]:
    """The networks, each read for itself: a pipeline's from_pretrained only warns of weights that a file lacks, and
    makes them up at random. It also leaves transformers' networks in the precision of the file."""
    read = {}
    for name in filter(functools.partial(architectures.component, model.index), model.index):
        kind = _kind(*model.index[name])
        if kind is None or name == "safety_checker" and not model.safety_checker:
            continue
        read[name], info = kind.from_pretrained(
            str(model.path / name), local_files_only=True, use_safetensors=True, dtype=dtype, variant=_variant(model.path / name), output_loading_info=True
        )
        for fault in ("missing_keys", "mismatched_keys"):
            if keys := sorted(map(str, info.get(fault) or [])):
                raise _broken(model, f"{name}: {fault.replace('_', ' ')}, {len(keys)} of them, the first is {keys[0]}")
    return read


def _kind(library: str, name: str) -> type | None:
    """The class of a network, None for other components."""
    if name == "StableDiffusionSafetyChecker":
        return StableDiffusionSafetyChecker
    kind = getattr({"diffusers": diffusers, "transformers": transformers}.get(library), name, None)
    return kind if isinstance(kind, type) and issubclass(kind, torch.nn.Module) else None


def _variant(directory: pathlib.Path) -> str | None:
    """fp16 where a directory has its weights as NAME.fp16.safetensors only."""
    files = list(directory.glob("*.safetensors"))
    return "fp16" if files and all(".fp16" in f.name for f in files) else None
