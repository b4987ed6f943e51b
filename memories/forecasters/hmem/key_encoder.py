"""The newest rows of a stream as one vector: what H-Mem's error bank is searched by."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.layers import linear

POSITION_SCALE = 0.02
"""Standard deviation of a fresh position table."""

Positions = Literal["input", "post"]
Pooling = Literal["mean", "max", "last", "attention"]


class FlatKeyEncoder(nn.Module):
    """Encodes rows [P, C], flattened in order of time, as z [d] (H-Mem guide, 2025).

    z = LN(W2 GELU(LN(W1 x))), W1 to 2d, W2 to d, x the rows padded with zeros, or cut, to H C.

    Args:
        channels: C.
        horizon: H.
        rows: P.
        dim: d.
        pad: ``horizon`` as above; ``none`` takes the P C numbers as they are.
        generator: Draws the weights.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        rows: int,
        dim: int,
        *,
        pad: Literal["horizon", "none"] = "horizon",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.width = horizon * channels if pad == "horizon" else rows * channels
        self.layers = nn.Sequential(
            linear(self.width, 2 * dim, generator),
            nn.LayerNorm(2 * dim),
            nn.GELU(),
            linear(2 * dim, dim, generator),
            nn.LayerNorm(dim),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """The encoding z [d] of rows [P, C]."""
        flat = rows.reshape(-1)[: self.width]
        encoding: Tensor = self.layers(F.pad(flat, (0, self.width - flat.shape[0])))
        return encoding


class PooledKeyEncoder(nn.Module):
    """Encodes rows [P, C] one by one and pools them into z [d] (H-Mem's first version, 2025).

    a_i = GELU(W2 GELU(LN(W1 x_i))), z = LN(W3 pool_i a_i), W1 and W2 to 2d, W3 to d. A learned
    position table is added to W1 x_i, or to a_i. In the second case a mean over rows gains the
    same constant whatever their order, so that the key does not depend on the order of time.

    Args:
        channels: C.
        rows: P.
        dim: d.
        pos: Where the position table is added: ``input`` before the first normalisation,
            ``post`` to a_i, as published.
        pooling: ``attention`` weights rows by the softmax of the means of their a_i.
        positions: Rows of the table; P if None.
        generator: Draws the weights.
    """

    def __init__(
        self,
        channels: int,
        rows: int,
        dim: int,
        *,
        pos: Positions = "input",
        pooling: Pooling = "mean",
        positions: int | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.pos, self.pooling, self.rows = pos, pooling, rows
        self.first = linear(channels, 2 * dim, generator)
        self.normalise = nn.LayerNorm(2 * dim)
        self.second = linear(2 * dim, 2 * dim, generator)
        table = torch.randn(positions or rows, 2 * dim, generator=generator)
        self.table = nn.Parameter(POSITION_SCALE * table)
        self.last = linear(2 * dim, dim, generator)
        self.finish = nn.LayerNorm(dim)

    def forward(self, rows: Tensor) -> Tensor:
        """The encoding z [d] of rows [P, C]."""
        place = self.table[: self.rows]
        projected = self.first(rows)
        if self.pos == "input":
            projected = projected + place
        steps = F.gelu(self.second(F.gelu(self.normalise(projected))))
        if self.pos == "post":
            steps = steps + place
        encoding: Tensor = self.finish(self.last(self._pooled(steps)))
        return encoding

    def _pooled(self, steps: Tensor) -> Tensor:
        """One row [2d] from the rows [P, 2d]."""
        match self.pooling:
            case "mean":
                return steps.mean(0)
            case "max":
                return steps.amax(0)
            case "last":
                return steps[-1]
            case _:
                return steps.mean(-1).softmax(0) @ steps


class JointKey(nn.Module):
    """A key of what was observed and what is forecast: Wf [z; encoder(forecast)] (H-Mem, 2025).

    The encoder of the forecast is W2 GELU(LN(W1 .)), W1 to 2d, W2 to d.

    Args:
        channels: C.
        horizon: H.
        dim: d.
        generator: Draws the weights.
    """

    def __init__(self, channels: int, horizon: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.forecast = nn.Sequential(
            linear(horizon * channels, 2 * dim, generator),
            nn.LayerNorm(2 * dim),
            nn.GELU(),
            linear(2 * dim, dim, generator),
        )
        self.join = linear(2 * dim, dim, generator)

    def forward(self, z: Tensor, prediction: Tensor) -> Tensor:
        """The key [d], not normalised, of an encoding z [d] and a forecast [H, C]."""
        key: Tensor = self.join(torch.cat([z, self.forecast(prediction.reshape(-1))]))
        return key
