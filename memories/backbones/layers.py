"""Layers of backbones that torch does not offer without global random numbers or hidden state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.backbones.base import Training

MOMENTUM = 0.1
EPS = 1e-5


def linear(
    inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True
) -> nn.Linear:
    """`torch.nn.Linear` with its default distribution, U(+-1/sqrt(inputs)), from a generator."""
    with torch.device("meta"):  # torch would draw the weights from its global generator
        layer = nn.Linear(inputs, outputs, bias=bias)
    layer = layer.to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def dropped(x: Tensor, rate: float, training: Training | None) -> Tensor:
    """`x` after dropout at this rate in training, `x` itself in evaluation."""
    return x if training is None else training.drop(x, rate)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the last axis (Ba et al. 2016), the same in training.

    Args:
        features: Width of the last axis.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=EPS)

    def forward(self, input: Tensor, training: Training | None = None) -> Tensor:  # noqa: ARG002
        """`input` [..., features], normalised, scaled and shifted."""
        return super().forward(input)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, without a hidden update.

    Ioffe & Szegedy 2015. In evaluation the running statistics are used as they are; in training
    those of the batch, and the new running ones are handed out through the `Training`.

    Args:
        features: Width of the last axis.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor, training: Training | None = None) -> Tensor:
        """`x` [..., features], normalised, scaled and shifted."""
        mean, var = self.running_mean, self.running_var
        if training is not None:
            rows = x.reshape(-1, x.shape[-1])
            var, mean = torch.var_mean(rows, dim=0, correction=0)
            unbiased = var * len(rows) / max(1, len(rows) - 1)
            training.statistics[self] = {
                "running_mean": ((1 - MOMENTUM) * self.running_mean + MOMENTUM * mean).detach(),
                "running_var": ((1 - MOMENTUM) * self.running_var + MOMENTUM * unbiased).detach(),
            }
        scale = self.weight * (var + EPS).rsqrt()
        return torch.addcmul(self.bias - mean * scale, x, scale)


class ChannelLinear(nn.Module):
    """One linear map per channel: [B, C, inputs] to [B, C, outputs].

    Args:
        channels: C.
        inputs: Width of the last axis.
        outputs: Width of the result.
        generator: Draws weights [C, outputs, inputs] and biases [C, outputs] as `linear` does.
    """

    def __init__(
        self, channels: int, inputs: int, outputs: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.weight = drawn(channels, outputs, inputs)
        self.bias = drawn(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The result [B, C, outputs]."""
        mapped: Tensor = torch.einsum("bci,coi->bco", x, self.weight) + self.bias
        return mapped
