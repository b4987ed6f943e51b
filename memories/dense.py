"""A linear layer whose initial weights come from a given generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Dense(nn.Module):
    """x W + b, drawn from U(-1/sqrt(inputs), 1/sqrt(inputs)) or zero until trained.

    The distribution is that of `torch.nn.Linear`, which would draw from the global generator.

    Args:
        inputs: Width of x.
        outputs: Width of the result.
        generator: Source of W [inputs, outputs] and b; None for zeros.
        bias: Whether there is b.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: torch.Generator | None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)

        def drawn(*shape: int) -> nn.Parameter:
            if generator is None:
                return nn.Parameter(torch.zeros(shape))
            return nn.Parameter(bound * (2 * torch.rand(shape, generator=generator) - 1))

        self.weight = drawn(inputs, outputs)
        self.bias = drawn(outputs) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """The result [..., outputs] for x [..., inputs]."""
        product = x @ self.weight
        return product if self.bias is None else product + self.bias
