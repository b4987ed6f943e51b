"""Backbones and windows for tests: nothing in them is at a special value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def windows(batch: int, lookback: int, channels: int, seed: int = 7) -> Tensor:
    """Windows [B, L, C] in float64 with means and spreads of their own."""
    shape = (batch, lookback, channels)
    walk = torch.randn(shape, generator=generator(seed), dtype=torch.float64).cumsum(1)
    return 3 * walk + 10 * torch.randn(shape[0], 1, channels, generator=generator(seed + 1))


def shaken(module: nn.Module, seed: int = 3) -> None:
    """Move every weight and running statistic away from where it starts, in float64."""
    module.double()
    rng = generator(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            parameter.add_(0.2 * noise)
        for name, buffer in module.named_buffers():
            noise = torch.rand(buffer.shape, generator=rng, dtype=torch.float64)
            if name.endswith("running_mean"):
                buffer.add_(noise - 0.5)
            elif name.endswith("running_var"):
                buffer.mul_(0.5 + noise)


def parameters(module: Backbone) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters())
