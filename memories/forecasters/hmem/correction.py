"""From recalled errors to a correction: how good they are, what becomes of them, how much counts.

Each part is one small network or one factor; `chrc` puts them together.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear

Gate = Literal["flat", "stats", "none"]
HorizonMask = Literal["none", "exp", "linear", "learned"]

MASK_DECAY = 0.98
MASK_FLOOR = 0.2
"""Least weight of a lead under the fixed horizon masks."""


class Quality(nn.Module):
    """Estimates in (0, 1) how good the recalled errors are (H-Mem's first version, 2025).

    sigmoid(W2 GELU(W1 [similarities; z])), W1 from K + d to d/2.

    Args:
        evidence: K.
        dim: d.
        generator: Draws the weights.
    """

    def __init__(self, evidence: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        hidden = max(1, dim // 2)
        self.layers = nn.Sequential(
            linear(evidence + dim, hidden, generator), nn.GELU(), linear(hidden, 1, generator)
        )

    def forward(self, similarity: Tensor, z: Tensor) -> Tensor:
        """The quality, a scalar, for similarities [K] and an encoding z [d]."""
        return torch.sigmoid(self.layers(torch.cat([similarity, z])))[0]


class Refiner(nn.Module):
    """Turns recalled errors into what is added to a forecast.

    With a quality r in view (H-Mem's first version, 2025), r R([E; z]) + (1 - r) E with
    R = W2 GELU(LN(W1 .)), W1 to 2d. Without (its guide, 2025), R(E) = W2 GELU(W1 E), W1 to d,
    takes the place of E.

    Args:
        channels: C.
        horizon: H.
        dim: d.
        blend: Whether there is a quality.
        zero: Whether W2 and its bias start at zero, so that R adds nothing at first.
        generator: Draws the weights.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        dim: int,
        *,
        blend: bool,
        zero: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        flat = horizon * channels
        hidden = 2 * dim if blend else dim
        normalise = [nn.LayerNorm(hidden)] if blend else []
        last = linear(hidden, flat, generator)
        if zero:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
        first = linear(flat + dim if blend else flat, hidden, generator)
        self.layers = nn.Sequential(first, *normalise, nn.GELU(), last)
        self.blend = blend

    def forward(self, error: Tensor, z: Tensor, quality: Tensor) -> Tensor:
        """The refined error [H, C] from an error [H, C], an encoding z [d] and its quality."""
        flat = error.reshape(-1)
        if not self.blend:
            refined: Tensor = self.layers(flat)
            return refined.view(error.shape)
        refined = self.layers(torch.cat([flat, z])).view(error.shape)
        return quality * refined + (1 - quality) * error


class Confidence(nn.Module):
    """Estimates in (0, 1) how much of a correction to apply (H-Mem, 2025).

    sigmoid of a network with a hidden layer of d, LN, GELU, and in the deep form a further one of
    d/2, GELU. It sees [z; prediction; correction], or in their place the means of their absolute
    values and their standard deviations.

    Args:
        channels: C.
        horizon: H.
        dim: d.
        stats: Whether it sees those four numbers only: recommended from H C = 256 on.
        deep: Whether there is a second hidden layer, as in all forms but the guide's.
        generator: Draws the weights.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        dim: int,
        *,
        stats: bool,
        deep: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        seen = 4 if stats else 2 * horizon * channels
        half = max(1, dim // 2)
        second = [linear(dim, half, generator), nn.GELU()] if deep else []
        self.layers = nn.Sequential(
            linear(dim + seen, dim, generator),
            nn.LayerNorm(dim),
            nn.GELU(),
            *second,
            linear(half if deep else dim, 1, generator),
        )
        self.stats = stats

    def forward(self, prediction: Tensor, correction: Tensor, z: Tensor) -> Tensor:
        """The confidence, a scalar, for a forecast and a correction [H, C] and z [d]."""
        seen = torch.stack([prediction, correction]).flatten(1)
        if self.stats:
            seen = torch.stack([seen.abs().mean(-1), population_std(seen)], dim=-1)
        return torch.sigmoid(self.layers(torch.cat([z, seen.flatten()])))[0]


class HorizonWeights(nn.Module):
    """Weights [H, 1] of a correction, lead by lead.

    ``exp`` 0.98^h and ``linear`` 1 - h/(H - 1), h = 0..H-1, neither below 0.2; ``learned``
    sigmoid(u_h) with u = 1 at first.

    Args:
        horizon: H.
        mask: Which of them; ``none`` weights all leads alike.
    """

    fixed: Tensor

    def __init__(self, horizon: int, mask: HorizonMask) -> None:
        super().__init__()
        lead = torch.arange(horizon, dtype=torch.float32)[:, None]
        shape = {
            "exp": MASK_DECAY**lead,
            "linear": 1 - lead / max(horizon - 1, 1),
        }.get(mask, torch.ones_like(lead))
        self.register_buffer("fixed", shape.clamp(min=MASK_FLOOR))
        self.logits = nn.Parameter(torch.ones(horizon, 1)) if mask == "learned" else None

    def forward(self) -> Tensor:
        """The weights."""
        return self.fixed if self.logits is None else torch.sigmoid(self.logits)


def population_std(x: Tensor) -> Tensor:
    """Standard deviation over the last axis, divided by its length; finite gradient at zero."""
    return ((x - x.mean(-1, keepdim=True)).square().mean(-1) + 1e-12).sqrt()
