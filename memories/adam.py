"""Adam as a pure function on one flat vector, so that its moments can be state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPS = 1e-8


def flatten(module: nn.Module) -> Tensor:
    """All parameters of a module as one vector, in the order of `named_parameters`."""
    return torch.cat([p.reshape(-1) for _, p in module.named_parameters()])


def unflatten(module: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """The vector cut back into named parameters of the module's shapes, as views."""
    shapes = {name: p.shape for name, p in module.named_parameters()}
    parts = torch.split(vector, [shape.numel() for shape in shapes.values()])
    return {
        name: part.view(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)
    }


def adam_step(
    weights: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    learning_rate: Tensor | float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights, both moments and the step counter after one bias-corrected step.

    Kingma & Ba 2015, without weight decay or clipping. Element-wise, so that stacked vectors are
    independent optimisers.

    Args:
        weights: Any shape.
        gradient: Same shape.
        first: Running mean of the gradient.
        second: Running mean of its square.
        step: Steps taken before this one, int64 scalar.
        learning_rate: Step size; a tensor that broadcasts may differ per lane.
    """
    step = step + 1
    first = BETAS[0] * first + (1 - BETAS[0]) * gradient
    second = BETAS[1] * second + (1 - BETAS[1]) * gradient * gradient
    # 1 - beta^n loses half of float32's digits in the first steps
    known = [(1 - beta ** step.double()).to(weights.dtype) for beta in BETAS]
    update = first / known[0] / ((second / known[1]).sqrt() + EPS)
    return weights - learning_rate * update, first, second, step
