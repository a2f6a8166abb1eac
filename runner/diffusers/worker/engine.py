"""Makes the images of jobs: what is loaded, and one job from spec to files."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import pathlib
import time

import numpy as np
import torch
from PIL import Image

from worker import adapters, check, device as devices, faults, library, merging, pipelines, previews, safety, schedulers, texts, vaes, wire
from worker.options import Options


class Engine:
    def __init__(self, found: library.Library, options: Options):
        self._library, self._options = found, options
        self.device = devices.Device(options)
        self._loaded: pipelines.Loaded | None = None
        self._adapters: adapters.Adapters | None = None
        self._vaes: dict[str, torch.nn.Module] = {}  # by name, of the loaded model

    def load(self, name: str) -> pipelines.Loaded:
        """Brings a model into memory; one at a time, so the old one goes first."""
        model = self._library.model(name)
        if self._loaded is None or self._loaded.model is not model:
            self._loaded, self._adapters, self._vaes = None, None, {}
            self.tidy(full=True)
            self._loaded = pipelines.Loaded(model, self.device, self._options.compile)
            self._adapters = adapters.Adapters(self._loaded.modules(), self._loaded.convert_lora)
        return self._loaded

    def generate(self, job, out: wire.Writer) -> dict:
        request = job.generate
        spec, directory = request["spec"], pathlib.Path(request["dir"])
        model = check.spec(self._library, spec)
        work = Work(self, job, out, model, spec, directory, int(request.get("preview_every") or 0))
        return work.run()

    def adapt(self, model: library.Model, spec: dict) -> dict[str, str]:
        """Makes exactly the spec's LoRAs active and returns their digests."""
        by_name = {a.name: a for a in model.loras}
        wanted = [(by_name[l["name"]], l["weight"]) for l in spec.get("loras") or []]
        self._adapters.activate([(a.path, a.digest, w) for a, w in wanted])
        return {a.name: a.digest for a, _ in wanted}

    def vae(self, model: library.Model, name: str) -> torch.nn.Module:
        if name not in self._vaes:
            adapter = next(a for a in model.vaes if a.name == name)
            self._vaes = {name: vaes.load(adapter, model.configs / "vae", self.device.torch, self.device.dtype)}
        return self._vaes[name]

    @property
    def safety_checker(self) -> torch.nn.Module:
        return self._loaded.safety_checker

    out_of_memory = staticmethod(devices.out_of_memory)

    def tidy(self, full: bool = False) -> None:
        if full:
            gc.collect()
        self.device.release() if full or self.device.kind != "cpu" else None


class Clock:
    """Adds the time since its last lap to one of the phases."""

    def __init__(self):
        self._started = self._last = time.monotonic()
        self._times = {"load": 0.0, "encode": 0.0, "sample": 0.0, "decode": 0.0}

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self._times[phase] += now - self._last
        self._last = now

    def stop(self) -> dict[str, float]:
        return self._times | {"total": time.monotonic() - self._started}


class Work:
    """One job that is running."""

    def __init__(self, engine: Engine, job, out: wire.Writer, model: library.Model, spec: dict, directory: pathlib.Path, preview_every: int):
        self._engine, self._job, self._out = engine, job, out
        self._model, self._spec, self._directory, self._every = model, spec, directory, preview_every
        self._clock = Clock()
        self._steps = effective_steps(spec)

    def run(self) -> dict:
        self._report("loading", 0, 0)
        loaded = self._engine.load(self._model.name)
        self._pipe = pipe = loaded.pipeline("inpaint" if self._spec.get("mask_image") else "img2img" if self._spec.get("init_image") else "txt2img")
        self._renew_scheduler(loaded)  # faults of the options are reported before anything is encoded
        digests = self._engine.adapt(self._model, self._spec)
        vae = self._vae(loaded)
        self._clock.lap("load")
        with _standing_in(pipe, vae), self._merging(loaded), torch.no_grad():
            self._report("encoding", 0, 0)
            self._arguments = texts.arguments(loaded, pipe, self._spec, self._engine.device.torch)
            self._arguments |= self._inputs()
            self._clock.lap("encode")
            for index in range(self._spec["n"]):
                self._renew_scheduler(loaded)
                self._image(index)
        return self._account(digests)

    def _renew_scheduler(self, loaded: pipelines.Loaded) -> None:
        """A scheduler remembers its steps: each image gets its own, and none can change the next."""
        options = self._spec.get("scheduler_options") or {}
        self._pipe.scheduler = schedulers.make(self._spec["scheduler"], loaded.scheduler_config, options)

    def _merging(self, loaded: pipelines.Loaded):
        factor = self._pipe.vae_scale_factor
        return merging.around(loaded.denoiser, self._spec["height"] // factor, self._spec["width"] // factor, self._spec.get("token_merging", 0))

    def _vae(self, loaded: pipelines.Loaded):
        return self._engine.vae(self._model, self._spec["vae"]) if self._spec.get("vae") else loaded.vae

    def _image(self, index: int) -> None:
        spec, pipe = self._spec, self._pipe
        self._job.check()
        if index:
            self._report("encoding", index, 0)
        self._index, self._step = index, 0
        arguments = self._arguments | {
            "width": spec["width"], "height": spec["height"], "num_inference_steps": spec["steps"], "guidance_scale": spec["guidance_scale"],
            "generator": torch.Generator("cpu").manual_seed(spec["seed"] + index), "output_type": "pt",
            "callback_on_step_end": self._after_call, "callback_on_step_end_tensor_inputs": ["latents"],
        }  # fmt: skip
        try:
            out = pipe(**{k: v for k, v in arguments.items() if k in pipelines.parameters(pipe)})
        finally:
            pipe.maybe_free_model_hooks()
        pixels = self._pixels(out.images[0].float().cpu())
        flagged = self._safety == safety.CHECKED and safety.flagged(self._engine.safety_checker, pipe.feature_extractor, pixels)
        self._deliver(index, pixels, flagged)
        self._clock.lap("decode")

    def _after_call(self, pipe, call: int, timestep, tensors: dict) -> dict:
        """After every call of the model. Methods of second order make two calls a step: a step counts when it grows."""
        self._job.check()
        self._clock.lap("sample")
        calls = pipe.num_timesteps
        step = (call + 1) * self._steps // calls
        if not torch.isfinite(tensors["latents"]).all():
            raise faults.Failure(faults.RUNTIME_FAILED, f"the latents of image {self._index} are not numbers any more after call {call + 1} of the model: it overflows in {self._engine.device.dtype}, see --dtype")
        if step > self._step:
            self._step = step
            self._report("sampling", self._index, step)
            if self._every and step % self._every == 0:
                self._preview(tensors["latents"], step)
            if step == self._steps:
                self._report("decoding", self._index, step)
        return tensors

    def _preview(self, latents: torch.Tensor, step: int) -> None:
        if latents.dim() == 3:  # Flux works on rows of 2 x 2 latents
            latents = self._pipe._unpack_latents(latents, self._spec["height"], self._spec["width"], self._pipe.vae_scale_factor)
        if self._every and (jpeg := previews.jpeg(self._pipe.vae, latents, wire.MAX_PREVIEW)):
            self._out.preview(self._job.reference, self._index, step, jpeg)

    def _pixels(self, picture: torch.Tensor) -> np.ndarray:
        """8-bit pixels of a picture of 0 to 1, which has to be one."""
        if not torch.isfinite(picture).all():
            raise faults.Failure(faults.RUNTIME_FAILED, f"image {self._index} is not made of numbers: the VAE overflows in {self._engine.device.dtype}, see --dtype")
        pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        if not pixels.any() and not self._black_input:
            raise faults.Failure(faults.RUNTIME_FAILED, f"image {self._index} is all black: the model or its VAE overflows in {self._engine.device.dtype}, see --dtype")
        return pixels

    def _inputs(self) -> dict:
        """The pipeline's arguments for init image, mask, strength and eta. The agent has brought the files to size."""
        spec, out = self._spec, {}
        self._safety, self._black_input = safety.kind(self._model, spec), False
        eta = (spec.get("scheduler_options") or {}).get("eta")
        if eta is not None:
            out["eta"] = eta
        if spec.get("init_image"):
            out["image"] = self._input("init.png", "RGB")
            out["strength"] = spec["strength"]
            self._black_input = not np.asarray(out["image"]).any()
        if spec.get("mask_image"):
            out["mask_image"] = self._input("mask.png", "L")
        return out

    def _input(self, name: str, mode: str) -> Image.Image:
        with Image.open(self._directory / name, formats=["PNG"]) as picture:
            if picture.size != (self._spec["width"], self._spec["height"]):
                raise faults.Failure(faults.INVALID_REQUEST, f"{name}: got {picture.size}, want the size of the request")
            return picture.convert(mode)

    def _deliver(self, index: int, pixels: np.ndarray, flagged: bool) -> None:
        """Writes the picture under its name only when it is whole, and reports it."""
        name = f"image-{index}.png"
        part = self._directory / (name + ".part")
        Image.fromarray(pixels).save(part, "PNG", compress_level=1)
        body = part.read_bytes()
        os.replace(part, self._directory / name)
        self._out.send("image", {
            "name": name, "index": index, "seed": self._spec["seed"] + index, "width": pixels.shape[1], "height": pixels.shape[0],
            "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "type": "image/png", "flagged": flagged,
        }, self._job.reference)  # fmt: skip

    def _report(self, phase: str, index: int, step: int) -> None:
        self._out.send("progress", {"phase": phase, "image": index, "step": step, "steps": self._steps}, self._job.reference)

    def _account(self, digests: dict[str, str]) -> dict:
        made = {
            "scheduler": type(self._pipe.scheduler).__name__, "steps": self._steps, "model_digest": self._model.digest,
            "lora_digests": digests, "safety": self._safety, "device": self._engine.device.describe(), "timings": self._clock.stop(),
        }  # fmt: skip
        if self._spec.get("vae"):
            made["vae_digest"] = next(a.digest for a in self._model.vaes if a.name == self._spec["vae"])
        return made


def effective_steps(spec: dict) -> int:
    """How many steps are really made: strength leaves out the first ones."""
    if not spec.get("init_image"):
        return spec["steps"]
    steps = min(int(spec["steps"] * spec["strength"]), spec["steps"])
    if steps < 1:
        faults.invalid([faults.Fault("strength", str(spec["strength"]), f"at least {1 / spec['steps']:g}: of {spec['steps']} steps, strength leaves none")])
    return steps


@contextlib.contextmanager
def _standing_in(pipe, vae):
    """Lets another VAE stand in for the pipeline's own while a job runs."""
    own = pipe.vae
    pipe.vae = vae
    try:
        yield
    finally:
        pipe.vae = own
