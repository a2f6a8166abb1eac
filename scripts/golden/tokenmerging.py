"""Makes the test data of token merging: what diffusers' UNet predicts when its self-attention sees merged tokens.

    python tokenmerging.py ../../runner/builtin

Written after Bolya and Hoffman 2023 (arXiv:2303.17604), with the upper left pixel of each square as its destination.
"""

from __future__ import annotations

import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file


class Merging:
    """The plan for one tensor of tokens (N, H*W, C)."""

    def __init__(self, x: torch.Tensor, height: int, width: int, ratio: float):
        tokens = height * width
        board = torch.zeros(height, width, dtype=torch.bool)
        board[: height // 2 * 2 : 2, : width // 2 * 2 : 2] = True
        destinations, sources = board.flatten().nonzero()[:, 0], (~board).flatten().nonzero()[:, 0]
        away = min(int(tokens * ratio), len(sources))
        unit = x / x.norm(dim=-1, keepdim=True)
        score, nearest = (unit[:, sources] @ unit[:, destinations].mT).max(dim=-1)
        self.to = torch.empty(len(x), tokens, dtype=torch.long)
        self.count = tokens - away
        for n in range(len(x)):
            order = score[n].argsort(descending=True, stable=True)
            self.to[n, destinations] = torch.arange(len(destinations))
            self.to[n, sources[order[:away]]] = nearest[n, order[:away]]
            self.to[n, sources[order[away:]]] = torch.arange(len(destinations), self.count)

    def merge(self, x: torch.Tensor) -> torch.Tensor:
        to = self.to[..., None].expand_as(x)
        out = x.new_zeros(len(x), self.count, x.shape[-1])
        return out.scatter_reduce(1, to, x, "mean", include_self=False)

    def unmerge(self, x: torch.Tensor) -> torch.Tensor:
        return x.gather(1, self.to[..., None].expand(-1, -1, x.shape[-1]))


def patch(unet: UNet2DConditionModel, height: int, width: int, ratio: float) -> None:
    """Puts merging around the self-attention of the transformers whose input has that size."""
    for name, module in unet.named_modules():
        if not name.endswith(".attn1"):
            continue

        def forward(x, *args, plain=module.forward, **kwargs):
            if x.shape[1] != height * width:
                return plain(x, *args, **kwargs)
            merging = Merging(x, height, width, ratio)
            return merging.unmerge(plain(merging.merge(x), *args, **kwargs))

        module.forward = forward


@torch.no_grad()
def main() -> None:
    root = pathlib.Path(sys.argv[1])
    unet = UNet2DConditionModel.from_pretrained(root / "testdata" / "first" / "unet").eval()
    config, generator = unet.config, torch.Generator().manual_seed(5)
    down = next(i for i, kind in enumerate(config.down_block_types) if "Attn" in kind)
    height, width = 18, 22
    sample = torch.randn(2, config.in_channels, height, width, generator=generator)
    text = torch.randn(2, 11, config.cross_attention_dim, generator=generator)
    tensors = {"sample": sample, "text": text, "merged.0": unet(sample, 301, text).sample}
    for ratio in (0.3, 0.75):
        unet = UNet2DConditionModel.from_pretrained(root / "testdata" / "first" / "unet").eval()
        patch(unet, -(-height // 2**down), -(-width // 2**down), ratio)
        tensors[f"merged.{ratio}"] = unet(sample, 301, text).sample
    target = root / "unet" / "testdata"
    target.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, target / "merging.safetensors")


main()
