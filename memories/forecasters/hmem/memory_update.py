"""Rules by which a memory vector takes in an encoding, more so when it is surprising."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear

LIMIT = 10.0
"""Largest absolute entry of a memory."""


def modulation(surprise: Tensor, form: Literal["sigmoid", "centered"]) -> Tensor:
    """Factor on the step of the ``smoothed`` rule, from a surprise >= 0.

    0.1 + 0.9 x with x = sigmoid(min(s, 2)), in [0.55, 0.8927]; ``centered`` takes 2 x - 1 for x,
    in [0.1, 0.7855].
    """
    x = torch.sigmoid(surprise.clamp(0, 2))
    return 0.1 + 0.9 * x if form == "sigmoid" else 1.8 * x - 0.8


class GatedMomentum(nn.Module):
    """A gated memory with a forget and an update gate, moved slowly.

    f = sigmoid(Wf [M; e]); u = sigmoid(Wu [M; e; s]); c = tanh(W2 GELU(LN(W1 e)));
    M' = mu M + (1 - mu) (f M + u c), clamped to +-10.

    Args:
        memory_dim: m.
        encoding_dim: de.
        momentum: mu.
        generator: Draws the weights.
    """

    def __init__(
        self, memory_dim: int, encoding_dim: int, *, momentum: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.forget = linear(memory_dim + encoding_dim, memory_dim, generator)
        self.update = linear(memory_dim + encoding_dim + 1, memory_dim, generator)
        self.candidate = nn.Sequential(
            linear(encoding_dim, memory_dim, generator),
            nn.LayerNorm(memory_dim),
            nn.GELU(),
            linear(memory_dim, memory_dim, generator),
            nn.Tanh(),
        )

    def forward(self, memory: Tensor, encoding: Tensor, surprise: Tensor) -> Tensor:
        """The memory [m] after an encoding [de] of that surprise."""
        known = torch.cat([memory, encoding])
        forget = torch.sigmoid(self.forget(known))
        update = torch.sigmoid(self.update(torch.cat([known, surprise[None]])))
        proposed = forget * memory + update * self.candidate(encoding)
        return torch.lerp(proposed, memory, self.momentum).clamp(-LIMIT, LIMIT)


class Interpolation(nn.Module):
    """A memory pulled towards the encoding by a gate that sees only the memory.

    g = sigmoid(W2 GELU(LN(W1 M))); M' = (1 - a) M + a e, clamped to +-10; e is projected where its
    width differs from m. The step a is

    - ``surprise-lerp``: g s, which may exceed 1 and overshoot;
    - ``clamped``: g min(s, 1);
    - ``smoothed``: g `modulation`(s).

    Args:
        memory_dim: m.
        encoding_dim: de.
        rule: How the surprise enters the step.
        smooth_form: Form of the modulation.
        generator: Draws the weights.
    """

    def __init__(
        self,
        memory_dim: int,
        encoding_dim: int,
        *,
        rule: Literal["surprise-lerp", "clamped", "smoothed"],
        smooth_form: Literal["sigmoid", "centered"] = "sigmoid",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.rule, self.smooth_form = rule, smooth_form
        self.gate = gate_network(memory_dim, generator)
        self.projection: nn.Module = (
            nn.Identity()
            if encoding_dim == memory_dim
            else linear(encoding_dim, memory_dim, generator)
        )

    def forward(self, memory: Tensor, encoding: Tensor, surprise: Tensor) -> Tensor:
        """The memory [m] after an encoding [de] of that surprise."""
        step = torch.sigmoid(self.gate(memory)) * self.factor(surprise)
        return torch.lerp(memory, self.projection(encoding), step).clamp(-LIMIT, LIMIT)

    def factor(self, surprise: Tensor) -> Tensor:
        """What the gate is multiplied by, a scalar."""
        if self.rule == "surprise-lerp":
            return surprise
        if self.rule == "clamped":
            return surprise.clamp(0, 1)
        return modulation(surprise, self.smooth_form)


def gate_network(width: int, generator: torch.Generator) -> nn.Sequential:
    """Logits of a memory's own gate: W2 GELU(LN(W1 M)), all of one width."""
    return nn.Sequential(
        linear(width, width, generator),
        nn.LayerNorm(width),
        nn.GELU(),
        linear(width, width, generator),
    )
