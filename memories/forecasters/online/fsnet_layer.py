"""Convolutions of one shape whose weights are scaled per input and output, kept as one stack."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Shape(NamedTuple):
    """What a convolution maps: features of `taps` rows to features of one row."""

    inputs: int
    """I."""
    taps: int
    """K, odd."""
    outputs: int
    """O, a multiple of I."""

    @property
    def ratio(self) -> int:
        """Outputs to an input, O / I."""
        return self.outputs // self.inputs

    @property
    def coefficients(self) -> int:
        """Coefficients to an input: one for each of its taps, two for each of its outputs."""
        return self.taps + 2 * self.ratio


class Stack(NamedTuple):
    """So many convolutions of one shape."""

    size: int
    """N."""
    shape: Shape

    def zeros(self) -> Tensor:
        """Zeros of the layout of their weights, [N, I, K, O]."""
        return torch.zeros(self.size, *self.shape)


class Calibrated(NamedTuple):
    """One convolution, ready to be applied: y = gain (x W + shift)."""

    weight: Tensor
    """[I K, O], the taps of an input side by side, the oldest row's first."""
    shift: Tensor
    """[O]."""
    gain: Tensor
    """[O]."""
    taps: int
    """K."""

    def __call__(self, x: Tensor, every: int = 1) -> Tensor:
        """Rows [B, ceil(n/every), O] of rows [B, n, I], zeros beyond both ends.

        Args:
            x: [B, n, I].
            every: Which rows of the result are wanted: the newest, and every so many before it.
        """
        n = x.shape[1]
        first = (n - 1) % every
        if self.taps == 1:
            seen = x[:, first::every]
        else:
            reach = self.taps // 2
            padded = F.pad(x, (0, 0, reach, reach))
            shifted = [padded[:, first + k : n + k : every] for k in range(self.taps)]
            seen = torch.stack(shifted, dim=-1).flatten(2)
        mapped = torch.addmm(self.shift, seen.flatten(0, 1), self.weight)
        return (self.gain * mapped).view(*seen.shape[:2], -1)


class CalibratedConvolutions(nn.Module):
    """Weights and biases of N convolutions of one shape.

    y = phi conv(x; W w, b beta): w scales each tap of each input, beta and phi each output (Pham
    et al. 2023).

    Args:
        count: N.
        shape: Inputs, taps and outputs of each.
        kernel: Taps before any was left out.
        generator: Draws the weights [N, I, K, O] from U(+-1/sqrt(I kernel)); the biases are zero.
    """

    def __init__(self, count: int, shape: Shape, kernel: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.weight = uniform((count, *shape), shape.inputs * kernel, generator)
        self.bias = nn.Parameter(torch.zeros(count, shape.outputs))

    def forward(self, coefficients: Tensor) -> list[Calibrated]:
        """The N convolutions, scaled.

        Args:
            coefficients: [N, I, K + 2 O/I]: of each input, w of its taps, then beta and phi of its
                outputs.
        """
        sizes = [self.shape.taps, self.shape.ratio, self.shape.ratio]
        taps, beta, phi = torch.split(coefficients, sizes, dim=-1)
        weights = (self.weight * taps[..., None]).flatten(1, 2)
        shifts = self.bias * beta.flatten(1)
        parts = zip(weights.unbind(), shifts.unbind(), phi.flatten(1).unbind(), strict=True)
        return [Calibrated(*part, self.shape.taps) for part in parts]


def uniform(size: tuple[int, ...], inputs: int, generator: torch.Generator) -> nn.Parameter:
    """A parameter of that size from U(+-1/sqrt(inputs)), torch's default distribution."""
    bound = 1 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(size).uniform_(-bound, bound, generator=generator))
