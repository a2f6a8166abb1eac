"""Token merging: self-attention sees similar tokens merged into one (Bolya and Hoffman 2023, arXiv:2303.17604).

The same as runner/builtin/unet: the upper left pixel of each 2 x 2 square is a destination, only the transformers
with the most pixels merge, and only around self-attention.
"""

from __future__ import annotations

import contextlib

import torch


class Merging:
    """The plan for one tensor of tokens (N, height x width, C)."""

    def __init__(self, x: torch.Tensor, height: int, width: int, ratio: float):
        tokens = height * width
        board = torch.zeros(height, width, dtype=torch.bool, device=x.device)
        board[: height // 2 * 2 : 2, : width // 2 * 2 : 2] = True
        destinations, sources = board.flatten().nonzero()[:, 0], (~board).flatten().nonzero()[:, 0]
        away = min(int(tokens * ratio), len(sources))
        unit = x / x.norm(dim=-1, keepdim=True)
        score, nearest = (unit[:, sources] @ unit[:, destinations].mT).max(dim=-1)
        order = score.argsort(dim=-1, descending=True, stable=True)
        self._to = torch.empty(len(x), tokens, dtype=torch.long, device=x.device)
        self._count = tokens - away
        self._to[:, destinations] = torch.arange(len(destinations), device=x.device)
        for n in range(len(x)):
            self._to[n, sources[order[n, :away]]] = nearest[n, order[n, :away]]
            self._to[n, sources[order[n, away:]]] = torch.arange(len(destinations), self._count, device=x.device)

    def merge(self, x: torch.Tensor) -> torch.Tensor:
        out = x.new_zeros(len(x), self._count, x.shape[-1])
        return out.scatter_reduce(1, self._to[..., None].expand_as(x), x, "mean", include_self=False)

    def unmerge(self, x: torch.Tensor) -> torch.Tensor:
        return x.gather(1, self._to[..., None].expand(-1, -1, x.shape[-1]))


@contextlib.contextmanager
def around(unet: torch.nn.Module, height: int, width: int, ratio: float):
    """Merges while the context lasts; height and width are those of the latents."""
    if ratio <= 0:
        yield
        return
    down = next(i for i, kind in enumerate(unet.config.down_block_types) if "Attn" in kind)
    height, width = -(-height // 2**down), -(-width // 2**down)
    changed = [m for n, m in unet.named_modules() if n.endswith(".attn1")]
    for module in changed:
        module.forward = _merging(module.forward, height, width, ratio)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _merging(plain, height: int, width: int, ratio: float):
    def forward(x, *args, **kwargs):
        if x.shape[1] != height * width:
            return plain(x, *args, **kwargs)
        plan = Merging(x, height, width, ratio)
        return plan.unmerge(plain(plan.merge(x), *args, **kwargs))

    return forward
