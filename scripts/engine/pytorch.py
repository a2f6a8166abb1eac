"""The PyTorch half of scripts/bench engine: measures diffusers on the shipped model, one round per line of input.

    python pytorch.py MODEL THREADS

Each line of input has the measures of a round as JSON; each line of output the seconds that they took.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")
out = sys.stdout
sys.stdout = sys.stderr

import diffusers
import torch


def best(repeat: int, f) -> float:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        f()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@torch.inference_mode()
def main() -> None:
    model, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32, safety_checker=None)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    latents, text = torch.randn(2, 4, 16, 16, generator=generator), torch.randn(2, 77, 128, generator=generator)

    def picture() -> None:
        pipe("a red circle on a blue background", width=128, height=128, num_inference_steps=20, guidance_scale=5,
             generator=torch.Generator().manual_seed(1))

    def reply(answer: dict) -> None:
        print(json.dumps(answer), file=out, flush=True)

    picture()
    reply({"version": f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}"})
    for line in sys.stdin:
        shapes = json.loads(line)
        answer = {
            "picture": best(1, picture),
            "step": best(10, lambda: pipe.unet(latents, 500, text)),
            "decode": best(5, lambda: pipe.vae.decode(latents[:1])),
        }
        for m, k, n in shapes:
            a, b = torch.randn(m, k), torch.randn(k, n)
            c = torch.empty(m, n)
            answer[f"{m}x{k}x{n}"] = best(30, lambda: torch.mm(a, b, out=c))
        reply(answer)


main()
