"""Where to compute and in what precision."""

from __future__ import annotations

import platform

import torch

from worker import faults
from worker.options import Options

# Activations of a 1024 x 1024 picture beside the weights, roughly; slicing brings the second down to the first.
SLICED_ROOM = 2 << 30
WHOLE_ROOM = 6 << 30


class Device:
    def __init__(self, options: Options):
        self.kind = _choose(options.device)
        self.torch = torch.device(self.kind)
        self.dtype = getattr(torch, options.dtype) if options.dtype != "auto" else self._precision()
        if options.threads > 0:
            torch.set_num_threads(options.threads)

    def _precision(self) -> torch.dtype:
        """Half precision where the device is fast at it; processors are not. bfloat16 where there is a choice:
        it overflows where float32 does, so no picture turns black."""
        if self.kind == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return torch.float16 if self.kind == "mps" else torch.float32

    def describe(self) -> str:
        precision = str(self.dtype).removeprefix("torch.")
        if self.kind == "cuda":
            return f"cuda ({torch.cuda.get_device_name(self.torch)}, {precision})"
        detail = f"{platform.machine().lower()}, {torch.get_num_threads()} threads, " if self.kind == "cpu" else ""
        return f"{self.kind} ({detail}{precision})"

    def free(self) -> int | None:
        """Bytes free on the device; None where it shares the machine's memory."""
        return torch.cuda.mem_get_info(self.torch)[0] if self.kind == "cuda" else None

    def release(self) -> None:
        """Gives cached memory back, after a job that did not fit or before a larger model."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()
        elif self.kind == "mps":
            torch.mps.empty_cache()


def _choose(wish: str) -> str:
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return next(kind for kind, there in have.items() if there)
    if not have[wish]:
        raise faults.Failure(faults.RUNTIME_FAILED, f"device {wish} is not available here: PyTorch {torch.__version__} sees {', '.join(k for k, v in have.items() if v)}")
    return wish


# What a lack of memory is called where it has no type of its own: PyTorch's allocators, C++, and oneDNN, which reports
# no cause when it cannot set a layer up.
NO_MEMORY = ("DefaultCPUAllocator", "bad_alloc", "could not create a primitive", "MPS backend out of memory", "CUDA out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_MEMORY)
