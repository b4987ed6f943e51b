"""Linear layers with torch's own initial distribution, drawn from a generator that is passed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer, weights and biases uniform in +-1 / sqrt(inputs)."""
    # a layer made on the meta device draws nothing from the global generator
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


def perceptron(
    widths: Sequence[int], generator: torch.Generator, output: nn.Module
) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them and `output` behind the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [linear(inputs, outputs, generator), nn.ReLU()]
    return nn.Sequential(*layers[:-1], output)
