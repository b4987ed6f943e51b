"""Key preprocessing and feature maps of one vector at a time, coordinate by coordinate."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def unit(x: Tensor) -> Tensor:
    """x / |x|, and zero for a vector without direction."""
    length = math.sqrt(sum(float(c) ** 2 for c in x.detach()))
    return x / x.norm() if length > 1e-6 else torch.zeros_like(x)


def layernorm(x: Tensor) -> Tensor:
    centred = x - x.mean()
    return centred / torch.sqrt((centred * centred).mean() + 1e-5)


def randproj(x: Tensor, matrix: Tensor) -> Tensor:
    """`matrix` already carries the factor 1/sqrt(m)."""
    return torch.stack([row @ x for row in matrix])


def rff(x: Tensor, frequencies: Tensor, length_scale: float) -> Tensor:
    scale = math.sqrt(1 / len(frequencies))
    phases = [(row @ x) / length_scale for row in frequencies]
    return scale * torch.stack([p.cos() for p in phases] + [p.sin() for p in phases])


def relu(x: Tensor, matrix: Tensor) -> Tensor:
    return unit(torch.stack([(row @ x).clamp(min=0) for row in matrix]))


def dpfp(x: Tensor, nu: int) -> Tensor:
    r = [c.clamp(min=0) for c in x] + [(-c).clamp(min=0) for c in x]
    return unit(torch.stack([r[j] * r[j - i] for i in range(1, nu + 1) for j in range(len(r))]))


def taylor2(x: Tensor) -> Tensor:
    root = math.sqrt(len(x))
    pairs = [(i, j) for i in range(len(x)) for j in range(i + 1, len(x))]
    return torch.stack(
        [torch.ones_like(x[0])]
        + [c / root**0.5 for c in x]
        + [c * c / (math.sqrt(2) * root) for c in x]
        + [x[i] * x[j] / root for i, j in pairs]
    )
