"""Networks that turn a memory vector into the low-rank weights of a backbone."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from memories.backbones.layers import linear
from memories.forecasters.hmem.lora import Injection


class FlatHypernetwork(nn.Module):
    """All low-rank weights from one narrow network, unbounded.

    flat = W3 GELU(W2 GELU(LN(W1 M))), with m -> b, b -> b and b -> T.

    Args:
        memory_dim: m.
        injection: Layout of the flat vector [T].
        bottleneck: b.
        b_init: ``zero`` starts with B = 0, so that the adapted forecast is the backbone's;
            ``default`` starts with a random update.
        generator: Draws the weights.
    """

    def __init__(
        self,
        memory_dim: int,
        injection: Injection,
        *,
        bottleneck: int = 32,
        b_init: Literal["zero", "default"] = "zero",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            linear(memory_dim, bottleneck, generator),
            nn.LayerNorm(bottleneck),
            nn.GELU(),
            linear(bottleneck, bottleneck, generator),
            nn.GELU(),
        )
        self.generators = _generators(bottleneck, injection, b_init, generator)

    def forward(self, memory: Tensor) -> Tensor:
        """The flat vector [T] of a memory [m]."""
        flat: Tensor = self.generators(self.encoder(memory))
        return flat


class LayerHypernetwork(nn.Module):
    """Low-rank weights in (-1, 1) from a shared encoder and one generator per factor.

    h = GELU(W2 GELU(LN(W1 M))), with m -> 4b -> 2b; A = tanh(WA h + bA) and B = tanh(WB h + bB)
    per layer. The generators of all layers lie in one matrix [T, 2b].

    Args:
        memory_dim: m.
        injection: Layout of the flat vector [T].
        bottleneck: b.
        b_init: ``zero`` starts with B = 0, so that the adapted forecast is the backbone's;
            ``default`` starts with a random update.
        generator: Draws the weights.
    """

    def __init__(
        self,
        memory_dim: int,
        injection: Injection,
        *,
        bottleneck: int = 32,
        b_init: Literal["zero", "default"] = "zero",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            linear(memory_dim, 4 * bottleneck, generator),
            nn.LayerNorm(4 * bottleneck),
            nn.GELU(),
            linear(4 * bottleneck, 2 * bottleneck, generator),
            nn.GELU(),
        )
        self.generators = _generators(2 * bottleneck, injection, b_init, generator)

    def forward(self, memory: Tensor) -> Tensor:
        """The flat vector [T] of a memory [m]."""
        return torch.tanh(self.generators(self.encoder(memory)))


def _generators(
    width: int, injection: Injection, b_init: str, generator: torch.Generator
) -> nn.Linear:
    """The linear map to the flat vector; with ``zero``, nothing reaches any B at first."""
    layer = linear(width, injection.size, generator)
    if b_init == "zero":
        with torch.no_grad():
            for rows in injection.b_rows:
                layer.weight[rows.start : rows.stop] = 0
                layer.bias[rows.start : rows.stop] = 0
    return layer
