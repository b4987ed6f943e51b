"""Adam as a pure function on one flat vector, so that its moments can be state."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def adamw_step(
    weights: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    learning_rate: Tensor,
    decay: Tensor | float,
    *,
    sizes: Sequence[int] | None = None,
    enable: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and both moments after one step of Adam with decoupled weight decay.

    p <- (1 - lr decay) p - lr m / (sqrt(v) + eps), both moments corrected for their bias
    (Loshchilov & Hutter 2019). Consecutive stretches of the vector may be parameter groups with a
    step count, a learning rate and a decay of their own.

    Args:
        weights: [P].
        gradient: [P]; anything, NaN included, where not enabled.
        first: Running mean of the gradient [P].
        second: Running mean of its square [P].
        step: Steps taken before this one: [G] int64, or a scalar where there is one group.
        learning_rate: Step size [G], or a scalar.
        decay: Weight decay, a number or like the learning rate.
        sizes: Lengths of the G groups, which sum to P; None for one group.
        enable: Bool scalar; where false nothing changes. None for always.
    """
    enabled = torch.ones((), dtype=torch.bool, device=weights.device) if enable is None else enable
    gradient = torch.where(enabled, gradient, 0.0)
    taken = torch.where(enabled, learning_rate, 0.0)
    # 1 - beta^n as -expm1(n log beta) keeps float32's digits in the first steps
    logs = torch.tensor([math.log(beta) for beta in BETAS], device=weights.device)
    known = -torch.expm1((step + 1)[..., None] * logs)
    scales = torch.stack([1 - taken * decay, taken / known[..., 0], known[..., 1].rsqrt()])
    shrink, rate, root = _spread(scales, sizes)
    new = torch.where(enabled, torch.tensor([1 - beta for beta in BETAS], device=logs.device), 0.0)
    # a weight of exactly zero leaves the left argument as it is
    first = torch.lerp(first, gradient, new[0])
    second = torch.lerp(second, gradient * gradient, new[1])
    weights = weights * shrink - rate * first / (second.sqrt() * root + EPS)
    return weights, first, second


def _spread(scales: Tensor, sizes: Sequence[int] | None) -> tuple[Tensor, ...]:
    """Each row of scales [R, G] with one value per weight, [P]; for one group a scalar."""
    if sizes is None or len(sizes) == 1:
        return tuple(row.squeeze() for row in scales)
    parts = [scales[:, i : i + 1].expand(-1, size) for i, size in enumerate(sizes)]
    return tuple(torch.cat(parts, dim=1))
