"""Trains the lcm LoRA: the shipped model in 4 to 8 steps, by consistency distillation.

    python distill.py --model ../../runner/builtin/model --out lcm.safetensors

The student is the model with a LoRA, the teacher the model without. From a noisy latent the teacher takes
one guided DDIM step, and the student must promise the same picture before and after that step (latent
consistency models, Luo et al. 2023, arXiv:2310.04378, algorithm 1; as a LoRA: arXiv:2311.05556). The
guidance is trained in, so pictures are made with a guidance scale of 1.

It needs WORK/latents.pt of `train.py latents`.
"""

from __future__ import annotations

import argparse
import os
import pathlib

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

import networks
import train

# Of the boundary condition, as diffusers' LCMScheduler has them: sigma_data and timestep_scaling.
SIGMA, SCALING = 0.5, 10.0


def boundary(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """c_skip and c_out at timesteps t [n], each [n, 1, 1, 1] (formula 9 and appendix D)."""
    scaled = (t.float() * SCALING).view(-1, 1, 1, 1)
    return SIGMA**2 / (scaled**2 + SIGMA**2), scaled / (scaled**2 + SIGMA**2).sqrt()


class Distillation:
    def __init__(self, a):
        self.unet = UNet2DConditionModel.from_pretrained(a.model / "unet", torch_dtype=torch.float32).requires_grad_(False)
        self.text = CLIPTextModel.from_pretrained(a.model / "text_encoder", dtype=torch.float32).eval().requires_grad_(False)
        tok = CLIPTokenizer.from_pretrained(a.model / "tokenizer")
        self.nothing = train.texts(tok, [""])
        self.wrappers = train.adapt(self.unet, a.rank)
        self.unet.to(memory_format=torch.channels_last)
        self.parameters = [p for w in self.wrappers.values() for p in (*w.down.parameters(), *w.up.parameters())]
        self.average = [p.detach().clone() for p in self.parameters]
        self.alphas = networks.scheduler().alphas_cumprod
        self.generator = torch.Generator().manual_seed(a.seed)
        self.skip, self.guidance = a.skip, a.guidance

    def use(self, which: str) -> None:
        """Makes the UNet the teacher, the student or the student's average."""
        for w in self.wrappers.values():
            w.off = which == "teacher"
        if which == "average":
            self.kept = [p.data for p in self.parameters]
            for p, mean in zip(self.parameters, self.average):
                p.data = mean
        elif hasattr(self, "kept"):
            for p, own in zip(self.parameters, self.kept):
                p.data = own
            del self.kept

    def alpha(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        keep = torch.where(t >= 0, self.alphas[t.clamp(min=0)], torch.ones(())).view(-1, 1, 1, 1)
        return keep.sqrt(), (1 - keep).sqrt()

    def noise(self, x, t, states):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.unet(x.to(memory_format=torch.channels_last), t, states).sample.float()

    def promise(self, x, t, states):
        """The consistency function: the x0 that the student promises from x at t."""
        a, b = self.alpha(t)
        skip, out = boundary(t)
        return skip * x + out * (x - b * self.noise(x, t, states)) / a

    def loss(self, z: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        n = len(z)
        t = torch.randint(self.skip, 1000, (n,), generator=self.generator)
        before = t - self.skip
        a, b = self.alpha(t)
        x = a * z + b * torch.randn(z.shape, generator=self.generator)
        with torch.no_grad():
            states = self.text(torch.cat([self.nothing.expand(n, -1), words])).last_hidden_state
            self.use("teacher")
            blind, seen = self.noise(torch.cat([x, x]), torch.cat([t, t]), states).chunk(2)
            guess = blind + self.guidance * (seen - blind)
            pa, pb = self.alpha(before)
            earlier = pa * (x - b * guess) / a + pb * guess
            self.use("average")
            target = self.promise(earlier, before, states[n:])
        self.use("student")
        error = self.promise(x, t, states[n:]) - target
        return ((error**2 + 0.03**2).sqrt() - 0.03).mean()


def store(d: Distillation, a) -> None:
    tensors = {}
    for (name, w), down, up in zip(d.wrappers.items(), d.average[0::2], d.average[1::2]):
        tensors[f"{name}.lora_down.weight"] = down.half().contiguous()
        tensors[f"{name}.lora_up.weight"] = up.half().contiguous()
        tensors[f"{name}.alpha"] = torch.tensor(float(a.rank)).half()
    save_file(tensors, a.out, metadata={"ss_network_module": "networks.lora", "ss_network_dim": str(a.rank), "ss_network_alpha": str(a.rank)})


def main() -> None:
    here = pathlib.Path(__file__).resolve().parent
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=pathlib.Path, default=here / "work", help="where latents.pt is and the losses go")
    p.add_argument("--model", type=pathlib.Path, default=here / "work" / "model", help="the pipeline directory")
    p.add_argument("--out", type=pathlib.Path, default=here / "work" / "lcm.safetensors")
    p.add_argument("--seed", type=int, default=3)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    p.add_argument("--skip", type=int, default=50, help="timesteps that the teacher's step covers")
    p.add_argument("--guidance", type=float, default=5.0, help="the teacher's guidance scale")
    p.add_argument("--rank", type=int, default=4)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    data = torch.load(a.work / "latents.pt", weights_only=True)
    d = Distillation(a)
    print(f"lcm: {sum(p.numel() for p in d.parameters) / 1e3:.0f} k parameters in {len(d.wrappers)} layers")
    optimizer = torch.optim.AdamW(d.parameters, lr=a.rate, betas=(0.9, 0.99), weight_decay=0, fused=True)
    log = train.Log(a.work / "lcm.csv", 25)
    for step in range(1, a.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = train.cosine(step, a.steps, a.rate, 50)
        pick = torch.randint(0, len(data["latents"]), (a.batch,), generator=d.generator)
        loss = d.loss(data["latents"][pick].float(), data["ids"][pick].long())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(d.parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(d.average, [p.detach() for p in d.parameters], 1 - min(0.95, (1 + step) / (10 + step)))
        log.add(step, a.steps, a.batch, huber=loss.item())
        if step % 100 == 0 or step == a.steps:
            store(d, a)
    print(f"lcm: {a.out.stat().st_size / 1e3:.0f} kB written to {a.out}")


if __name__ == "__main__":
    main()
