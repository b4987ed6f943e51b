"""Three memories with short, middle and long time constants, read as one."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear
from memories.base import InvalidParameter
from memories.forecasters.hmem.memory_update import LIMIT, gate_network, modulation

TIME_CONSTANTS = (10.0, 100.0, 1000.0)
"""Updates after which a memory with an open gate has kept 1/e of what it held."""
HEADS = 4


class MultiScale(nn.Module):
    """Memories of widths m/2, m and 2m that forget with time constants of 10, 100, 1000 updates.

    Each follows the ``smoothed`` rule with a gate of its own and a step multiplied by
    1 - exp(-1/T); they lie behind each other in one vector [3.5 m].

    Args:
        memory_dim: m; even.
        encoding_dim: de.
        smooth_form: Form of the modulation.
        generator: Draws the weights.

    Raises:
        InvalidParameter: If m is odd.
    """

    rates: Tensor

    def __init__(
        self,
        memory_dim: int,
        encoding_dim: int,
        *,
        smooth_form: Literal["sigmoid", "centered"] = "sigmoid",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if memory_dim % 2:
            raise InvalidParameter(
                "memory_dim", f"must be even to be halved, got {memory_dim}", "or set scales: false"
            )
        self.smooth_form = smooth_form
        self.widths = widths(memory_dim)
        self.gates = nn.ModuleList(gate_network(width, generator) for width in self.widths)
        self.projection = linear(encoding_dim, sum(self.widths), generator)
        rates = [-math.expm1(-1 / constant) for constant in TIME_CONSTANTS]
        self.register_buffer("rates", _spread(rates, self.widths))

    def forward(self, memory: Tensor, encoding: Tensor, surprise: Tensor) -> Tensor:
        """The memories [3.5 m] after an encoding [de] of that surprise."""
        parts = torch.split(memory, self.widths)
        logits = [gate(part) for gate, part in zip(self.gates, parts, strict=True)]
        step = torch.sigmoid(torch.cat(logits)) * self.rates
        step = step * modulation(surprise, self.smooth_form)
        return torch.lerp(memory, self.projection(encoding), step).clamp(-LIMIT, LIMIT)


class ConcatRead(nn.Module):
    """The three memories mixed by a linear map: LN(W [M1; M2; M3]) [m].

    Args:
        memory_dim: m.
        encoding_dim: Not used; the signature is that of `AttentionRead`.
        generator: Draws the weights.
    """

    def __init__(self, memory_dim: int, encoding_dim: int, *, generator: torch.Generator) -> None:  # noqa: ARG002
        super().__init__()
        self.unbias = Unbias(memory_dim)
        self.mix = nn.Sequential(
            linear(sum(widths(memory_dim)), memory_dim, generator), nn.LayerNorm(memory_dim)
        )

    def forward(self, memory: Tensor, encoding: Tensor, age: Tensor) -> Tensor:  # noqa: ARG002
        """The memory [m] read from memories [3.5 m] after `age` updates."""
        mixed: Tensor = self.mix(self.unbias(memory, age))
        return mixed


class AttentionRead(nn.Module):
    """The three memories as slots of width m, attended to by the encoding with four heads.

    Args:
        memory_dim: m; a multiple of 4.
        encoding_dim: de.
        generator: Draws the weights.

    Raises:
        InvalidParameter: If m is not a multiple of the number of heads.
    """

    def __init__(self, memory_dim: int, encoding_dim: int, *, generator: torch.Generator) -> None:
        super().__init__()
        if memory_dim % HEADS:
            raise InvalidParameter(
                "memory_dim",
                f"must be a multiple of the {HEADS} heads that combine: attn has, got {memory_dim}",
            )
        self.unbias = Unbias(memory_dim)
        self.widths = widths(memory_dim)
        self.slots = nn.ModuleList(linear(width, memory_dim, generator) for width in self.widths)
        self.query = linear(encoding_dim, memory_dim, generator)
        self.key = linear(memory_dim, memory_dim, generator)
        self.value = linear(memory_dim, memory_dim, generator)
        self.out = linear(memory_dim, memory_dim, generator)

    def forward(self, memory: Tensor, encoding: Tensor, age: Tensor) -> Tensor:
        """The memory [m] read from memories [3.5 m] after `age` updates."""
        parts = torch.split(self.unbias(memory, age), self.widths)
        slots = torch.stack([slot(part) for slot, part in zip(self.slots, parts, strict=True)])
        query = self.query(encoding).view(HEADS, -1)
        keys = self.key(slots).view(len(parts), HEADS, -1)
        values = self.value(slots).view(len(parts), HEADS, -1)
        scores = (keys * query).sum(-1) / math.sqrt(query.shape[-1])
        attended = (torch.softmax(scores, dim=0)[..., None] * values).sum(0)
        read: Tensor = self.out(attended.reshape(-1))
        return read


class Unbias(nn.Module):
    """Memories divided by the weight they have gathered, as if they had started full.

    M / (1 - exp(-age/T)), the bias correction of Kingma & Ba 2015: without it a memory of 1000
    updates would be next to zero for the first hundreds. Exact for an open gate.

    Args:
        memory_dim: m.
    """

    decays: Tensor

    def __init__(self, memory_dim: int) -> None:
        super().__init__()
        decays = [-1 / constant for constant in TIME_CONSTANTS]
        self.register_buffer("decays", _spread(decays, widths(memory_dim)))

    def forward(self, memory: Tensor, age: Tensor) -> Tensor:
        """The corrected memories [3.5 m] after `age` updates; as they are before any."""
        gathered = -torch.expm1(self.decays * age.clamp(min=1))
        return memory / gathered


def widths(memory_dim: int) -> list[int]:
    """Widths of the short, middle and long memory."""
    return [memory_dim // 2, memory_dim, 2 * memory_dim]


def _spread(values: list[float], sizes: list[int]) -> Tensor:
    """One value per entry of the memories, from one per memory."""
    parts = [torch.full((size,), value) for value, size in zip(values, sizes, strict=True)]
    return torch.cat(parts)
