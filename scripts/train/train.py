"""Trains the shipped model, in stages that each stop and resume.

    python train.py vae      # pictures <-> latents
    python train.py latents  # draws the training set once and encodes it
    python train.py unet     # text encoder and UNet together
    python train.py lora     # the outline LoRA
    python train.py export   # writes the pipeline directory in fp16

Every stage keeps its state in --work and appends its losses to WORK/STAGE.csv.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import random
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

import networks
import shapes
import tokenizer


class Log:
    """Progress on the terminal and one CSV line per report."""

    def __init__(self, path: pathlib.Path, every: int):
        self.path, self.every, self.sums, self.count = path, every, {}, 0
        self.started = time.time()

    def add(self, step: int, steps: int, batch: int, **losses: float) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if step % self.every:
            return
        means = {name: total / self.count for name, total in self.sums.items()}
        rate = self.count * batch / (time.time() - self.started)
        new = not self.path.exists()
        with self.path.open("a") as f:
            if new:
                f.write("step," + ",".join(means) + ",samples_per_s\n")
            f.write(f"{step}," + ",".join(f"{v:.5f}" for v in means.values()) + f",{rate:.1f}\n")
        left = (steps - step) * batch / rate / 60
        text = "  ".join(f"{k} {v:.4f}" for k, v in means.items())
        print(f"{step}/{steps}  {text}  {rate:.0f} samples/s  {left:.0f} min left", flush=True)
        self.sums, self.count, self.started = {}, 0, time.time()


def cosine(step: int, steps: int, peak: float, warm: int = 200) -> float:
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def plateau(step: int, steps: int, peak: float, cooldown: int, warm: int = 200) -> float:
    """Warm up, stay, and fall to 1 % over the last cooldown steps, so that the end can be set late."""
    return peak * min((step + 1) / warm, 1.0, 0.01 + 0.99 * max(0, steps - step) / cooldown)


def save(path: pathlib.Path, state: dict) -> None:
    temporary = path.with_suffix(".new")
    torch.save(state, temporary)
    os.replace(temporary, path)


class Average:
    """An exponential moving average of parameters, with the usual warm-up of its decay."""

    def __init__(self, modules: dict, decay: float):
        self.modules, self.decay, self.steps = modules, decay, 0
        self.shadow = {k: {n: p.detach().clone() for n, p in m.named_parameters()} for k, m in modules.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for k, module in self.modules.items():
            named = list(module.named_parameters())
            shadow = [self.shadow[k][n] for n, _ in named]
            torch._foreach_lerp_(shadow, [p.detach() for _, p in named], 1 - decay)

    @torch.no_grad()
    def copy_to(self, modules: dict) -> None:
        for k, module in modules.items():
            for n, p in module.named_parameters():
                p.copy_(self.shadow[k][n])


# --- pictures <-> latents ---------------------------------------------------------------------


def crops(rng: random.Random, count: int, side: int) -> torch.Tensor:
    """Random crops that mostly hold an edge; a fifth are hollow shapes, so the LoRA's pictures decode too."""
    out = []
    for _ in range(count):
        scene = shapes.scene(rng)
        image = shapes.draw(scene, networks.SIDE, outline=rng.random() < 0.2)
        figure = rng.choice(scene.figures)
        spot = lambda c: int(min(max(c + rng.uniform(-1.4, 1.4) * figure.radius, 0.0), 1.0) * networks.SIDE) - side // 2
        x = min(max(spot(figure.x), 0), networks.SIDE - side)
        y = min(max(spot(figure.y), 0), networks.SIDE - side)
        out.append(image[:, y : y + side, x : x + side])
    return torch.stack(out)


def train_vae(a) -> None:
    torch.manual_seed(a.seed)
    # Refining starts from the averaged weights, because the training set was encoded with those.
    frozen = a.decoder_only
    model = AutoencoderKL.from_pretrained(a.work / "vae") if frozen else networks.vae()
    model.to(memory_format=torch.channels_last)
    print(f"vae: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    parameters = list(model.parameters())
    if frozen:
        parameters = list(model.decoder.parameters()) + list(model.post_quant_conv.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=a.rate or 2e-3, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    path, first = a.work / ("decoder.pt" if frozen else "vae.pt"), 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    average = Average({"vae": model}, 0.995)
    rng, log = random.Random(a.seed + first), Log(a.work / f"{path.stem}.csv", 25)
    for step in range(first + 1, a.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, a.steps, a.rate or 2e-3, 60)
        x = crops(rng, a.batch, a.crop).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.set_grad_enabled(not frozen):
                posterior = model.encode(x).latent_dist
            z = posterior.sample()
            if frozen:  # sampled latents are a little off, and the decoder should not mind
                z = z + 0.1 * torch.randn_like(z)
            y = model.decode(z).sample
        y = y.float()
        absolute = (y - x).abs()
        pixels = absolute.mean()
        edges = ((y[..., 1:] - y[..., :-1]) - (x[..., 1:] - x[..., :-1])).abs().mean()
        edges = edges + ((y[..., 1:, :] - y[..., :-1, :]) - (x[..., 1:, :] - x[..., :-1, :])).abs().mean()
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        loss = pixels + (absolute**2).mean() + 0.5 * edges + (0 if frozen else a.kl * kl)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        log.add(step, a.steps, a.batch, pixels=pixels.item(), edges=edges.item(), kl=kl.item())
        if step % 200 == 0 or step == a.steps:
            save(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step})
    average.copy_to({"vae": model})
    target = a.work / "vae"
    scale = 1.0
    if frozen:
        scale = AutoencoderKL.load_config(target)["scaling_factor"]
    else:
        with torch.no_grad():
            whole = torch.stack([shapes.draw(shapes.scene(rng), networks.SIDE) for _ in range(256)])
            scale = 1 / model.encode(whole).latent_dist.mean.std().item()
    model.register_to_config(scaling_factor=round(scale, 5))
    model.save_pretrained(target)
    print(f"vae: scaling factor {scale:.5f}, written to {target}")


# --- the training set -------------------------------------------------------------------------


def texts(tok: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    return tok(captions, padding="max_length", max_length=tokenizer.MAX_TOKENS, truncation=True, return_tensors="pt").input_ids


@torch.no_grad()
def encode(a, outline: bool, count: int, seed: int) -> dict:
    model = AutoencoderKL.from_pretrained(a.work / "vae").eval().to(memory_format=torch.channels_last)
    tokenizer.write(a.work / "tokenizer")
    tok = CLIPTokenizer.from_pretrained(a.work / "tokenizer")
    rng, latents, ids, started = random.Random(seed), [], [], time.time()
    while len(latents) * a.batch < count:
        scenes = [shapes.scene(rng) for _ in range(a.batch)]
        images = torch.stack([shapes.draw(s, networks.SIDE, outline) for s in scenes])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = model.encode(images.to(memory_format=torch.channels_last)).latent_dist.mean
        latents.append((z.float() * model.config.scaling_factor).half().contiguous())
        ids.append(texts(tok, [s.caption for s in scenes]).short())
        if len(latents) % 50 == 0:
            print(f"latents: {len(latents) * a.batch}/{count}  {len(latents) * a.batch / (time.time() - started):.0f}/s", flush=True)
    return {"latents": torch.cat(latents), "ids": torch.cat(ids)}


# --- text encoder and UNet --------------------------------------------------------------------


def loss_weights(alphas: torch.Tensor) -> torch.Tensor:
    """Weight of the epsilon error per timestep: 1 + 1/SNR, cut at 9.

    1 + 1/SNR is the weight v-prediction implies (Salimans and Ho 2022, appendix D). Plain epsilon
    loss hardly sees the noisy end, where colour and place are decided.
    """
    return 1 + ((1 - alphas) / alphas).clamp(max=8)


class Denoising:
    """The training task: predict the noise that was added to latents, given their caption."""

    def __init__(self, tok: CLIPTokenizer, seed: int):
        self.alphas = networks.scheduler().alphas_cumprod
        weights = loss_weights(self.alphas)
        self.weights = weights / weights.mean()
        self.nothing = texts(tok, [""])[0]
        self.generator = torch.Generator().manual_seed(seed)

    def losses(self, unet, text, z: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the weighted loss and the plain epsilon loss of latents [n, 4, h, w] and token ids [n, 77]."""
        count = len(z)
        words[torch.rand(count, generator=self.generator) < 0.1] = self.nothing
        t = torch.randint(0, 1000, (count,), generator=self.generator)
        noise = torch.randn(z.shape, generator=self.generator)
        keep = self.alphas[t].view(-1, 1, 1, 1)
        noisy = (keep.sqrt() * z + (1 - keep).sqrt() * noise).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            guess = unet(noisy, t, text(words).last_hidden_state).sample
        each = ((guess.float() - noise) ** 2).mean(dim=(1, 2, 3))
        return (self.weights[t] * each).mean(), each.mean()


def train_unet(a) -> None:
    torch.manual_seed(a.seed)
    data = torch.load(a.work / "latents.pt", weights_only=True)
    latents, ids = data["latents"], data["ids"]
    tok = CLIPTokenizer.from_pretrained(a.work / "tokenizer")
    unet, text = networks.unet().to(memory_format=torch.channels_last), networks.text_encoder()
    modules = {"unet": unet, "text": text}
    for name, module in modules.items():
        print(f"{name}: {sum(p.numel() for p in module.parameters()) / 1e6:.2f} M parameters")
    parameters = [p for m in modules.values() for p in m.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=a.rate or 8e-4, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    average, path, first = Average(modules, 0.999), a.work / "unet.pt", 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(state[name])
        optimizer.load_state_dict(state["optimizer"])
        average.shadow, average.steps, first = state["average"], state["step"], state["step"]
    task = Denoising(tok, a.seed + first)
    log, order = Log(a.work / "unet.csv", 50), []
    started = time.time()
    for step in range(first + 1, a.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = plateau(step, a.steps, a.rate or 8e-4, a.cooldown)
        if len(order) < a.batch:
            order = torch.randperm(len(latents), generator=task.generator).tolist()
        pick, order = order[: a.batch], order[a.batch :]
        loss, plain = task.losses(unet, text, latents[pick].float(), ids[pick].long())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        log.add(step, a.steps, a.batch, weighted=loss.item(), epsilon=plain.item())
        if step % 500 == 0 or step == a.steps:
            save(
                path,
                {
                    **{name: m.state_dict() for name, m in modules.items()},
                    "optimizer": optimizer.state_dict(),
                    "average": average.shadow,
                    "step": step,
                },
            )
    print(f"unet: {(time.time() - started) / 60:.1f} min for steps {first + 1} to {a.steps}")


# --- the outline LoRA -------------------------------------------------------------------------


class LowRank(torch.nn.Module):
    """y = layer(x) + up(down(x)) * alpha / rank, for linear layers and convolutions (LoRA, Hu et al. 2021)."""

    def __init__(self, layer: torch.nn.Module, rank: int):
        super().__init__()
        self.layer = layer
        if isinstance(layer, torch.nn.Linear):
            self.down = torch.nn.Linear(layer.in_features, rank, bias=False)
            self.up = torch.nn.Linear(rank, layer.out_features, bias=False)
        else:
            self.down = torch.nn.Conv2d(layer.in_channels, rank, layer.kernel_size, layer.stride, layer.padding, bias=False)
            self.up = torch.nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        torch.nn.init.normal_(self.down.weight, std=1 / rank)
        torch.nn.init.zeros_(self.up.weight)
        self.off = False

    def forward(self, x):
        if self.off:
            return self.layer(x)
        return self.layer(x) + self.up(self.down(x))


def adapt(unet: UNet2DConditionModel, rank: int) -> dict[str, LowRank]:
    """Wraps attention and residual-block layers; returns the wrappers by their kohya names."""
    wanted = ("to_q", "to_v", "to_out.0", "conv1", "conv2")
    found = [(n, m) for n, m in unet.named_modules() if n.endswith(wanted) and isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    out = {}
    for name, module in found:
        parent = unet.get_submodule(name.rpartition(".")[0])
        wrapper = LowRank(module, rank)
        last = name.rpartition(".")[2]
        if last.isdigit():
            parent[int(last)] = wrapper
        else:
            setattr(parent, last, wrapper)
        out["lora_unet_" + name.replace(".", "_")] = wrapper
    return out


def train_lora(a) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(a.seed)
    data_path = a.work / "outline-latents.pt"
    if not data_path.exists():
        torch.save(encode(a, True, a.images, a.seed + 1), data_path)
    data = torch.load(data_path, weights_only=True)
    unet = UNet2DConditionModel.from_pretrained(a.model / "unet", torch_dtype=torch.float32).requires_grad_(False)
    text = CLIPTextModel.from_pretrained(a.model / "text_encoder", dtype=torch.float32).eval().requires_grad_(False)
    task = Denoising(CLIPTokenizer.from_pretrained(a.model / "tokenizer"), a.seed)
    wrappers = adapt(unet, a.rank)
    unet.to(memory_format=torch.channels_last)
    parameters = [p for w in wrappers.values() for p in (*w.down.parameters(), *w.up.parameters())]
    print(f"lora: {sum(p.numel() for p in parameters) / 1e3:.0f} k parameters in {len(wrappers)} layers")
    optimizer = torch.optim.AdamW(parameters, lr=a.rate or 2e-3, betas=(0.9, 0.99), weight_decay=0, fused=True)
    log = Log(a.work / "lora.csv", 50)
    for step in range(1, a.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, a.steps, a.rate or 2e-3, 50)
        pick = torch.randint(0, len(data["latents"]), (a.batch,), generator=task.generator)
        loss, _ = task.losses(unet, text, data["latents"][pick].float(), data["ids"][pick].long())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        log.add(step, a.steps, a.batch, weighted=loss.item())
    tensors = {}
    for name, w in wrappers.items():
        tensors[f"{name}.lora_down.weight"] = w.down.weight.detach().half().contiguous()
        tensors[f"{name}.lora_up.weight"] = w.up.weight.detach().half().contiguous()
        tensors[f"{name}.alpha"] = torch.tensor(float(a.rank)).half()
    target = a.lora_out or a.work / "outline.safetensors"
    save_file(tensors, target, metadata={"ss_network_module": "networks.lora", "ss_network_dim": str(a.rank), "ss_network_alpha": str(a.rank)})
    print(f"lora: {target.stat().st_size / 1e3:.0f} kB written to {target}")


# --- the pipeline directory -------------------------------------------------------------------


def export(a) -> None:
    unet, text = networks.unet(), networks.text_encoder()
    state = torch.load(a.work / "unet.pt", weights_only=True)
    with torch.no_grad():
        for name, module in (("unet", unet), ("text", text)):
            module.load_state_dict(state[name])
            for n, p in module.named_parameters():
                p.copy_(state["average"][name][n])
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(a.work / "vae"),
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(a.work / "tokenizer"),
        unet=unet,
        scheduler=networks.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(dtype=torch.float16)
    pipe.save_pretrained(a.model, safe_serialization=True)
    for config in a.model.rglob("config.json"):  # where a part was read from is nobody's business
        kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "_name_or_path"}
        config.write_text(json.dumps(kept, indent=2) + "\n")
    tokenizer.write(a.model / "tokenizer")  # the slow tokenizer's two files, which every reader knows
    for extra in (a.model / "tokenizer").iterdir():
        if extra.name not in {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"}:
            extra.unlink()
    total = sum(f.stat().st_size for f in a.model.rglob("*") if f.is_file())
    print(f"export: step {state['step']}, {total / 1e6:.2f} MB in {a.model}")


@torch.no_grad()
def sample(a) -> None:
    """Draws a contact sheet with diffusers, to look at while training."""
    from PIL import Image

    pipe = StableDiffusionPipeline.from_pretrained(a.model, torch_dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    rng = random.Random(a.seed + 7)
    captions = [shapes.scene(rng).caption for _ in range(24)]
    for c in captions:
        print(c)
    images = pipe(captions, num_inference_steps=20, guidance_scale=5.0, height=networks.SIDE, width=networks.SIDE, generator=torch.Generator().manual_seed(a.seed)).images
    sheet = Image.new("RGB", (8 * networks.SIDE, 3 * networks.SIDE))
    for i, image in enumerate(images):
        sheet.paste(image, (i % 8 * networks.SIDE, i // 8 * networks.SIDE))
    sheet.save(a.work / "sample.png")


def main() -> None:
    here = pathlib.Path(__file__).resolve().parent
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=("vae", "latents", "unet", "lora", "export", "sample"))
    p.add_argument("--work", type=pathlib.Path, default=here / "work", help="checkpoints, losses, training set")
    p.add_argument("--model", type=pathlib.Path, default=here / "work" / "model", help="the pipeline directory")
    p.add_argument("--lora-out", type=pathlib.Path, help="where the LoRA goes (WORK/outline.safetensors)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, help="optimizer steps of the stage, resumed ones included")
    p.add_argument("--batch", type=int)
    p.add_argument("--rate", type=float, help="peak learning rate")
    p.add_argument("--cooldown", type=int, default=1500, help="unet stage: last steps, with a falling rate")
    p.add_argument("--images", type=int, help="size of the training set")
    p.add_argument("--crop", type=int, default=64, help="side of the pictures the vae stage sees")
    p.add_argument("--kl", type=float, default=1e-3, help="weight of the KL term of the vae stage")
    p.add_argument("--decoder-only", action="store_true", help="vae stage: refine the decoder, leave latents as they are")
    p.add_argument("--rank", type=int, default=4, help="rank of the LoRA")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    defaults = {"vae": (2400, 24, 0), "latents": (0, 50, 40000), "unet": (9000, 32, 0), "lora": (1200, 48, 6000)}
    steps, batch, images = defaults.get(a.stage, (0, 1, 0))
    a.steps, a.batch, a.images = a.steps or steps, a.batch or batch, a.images or images
    a.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(a.threads)
    if a.stage == "latents":
        torch.save(encode(a, False, a.images, a.seed), a.work / "latents.pt")
    else:
        {"vae": train_vae, "unet": train_unet, "lora": train_lora, "export": export, "sample": sample}[a.stage](a)


if __name__ == "__main__":
    main()
