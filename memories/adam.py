"""Adam as a pure function on one flat vector, so that its moments can be state."""

from __future__ import annotations

import math

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
    first = torch.lerp(first, gradient, 1 - BETAS[0])
    second = torch.addcmul(BETAS[1] * second, gradient, gradient, value=1 - BETAS[1])
    # 1 - beta^n as -expm1(n log beta) keeps float32's digits in the first steps
    steps = step.to(weights.dtype)
    rate, root = [-torch.expm1(steps * math.log(beta)) for beta in BETAS]
    update = first / (second.sqrt() * root.rsqrt() + EPS)
    return weights - learning_rate / rate * update, first, second, step


def adamw_step(
    weights: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: Tensor,
    learning_rate: Tensor,
    decay: Tensor | float = 0.01,
    *,
    enable: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and both moments after one step of Adam with decoupled weight decay.

    p <- (1 - lr decay) p - lr m / (sqrt(v) + eps), both moments corrected for their bias
    (Loshchilov & Hutter 2019).

    Args:
        weights: Any shape.
        gradient: Same shape; anything, NaN included, where not enabled.
        first: Running mean of the gradient.
        second: Running mean of its square.
        step: Steps taken before this one, int64; a scalar, or one per weight as the next two.
        learning_rate: Step size.
        decay: Weight decay.
        enable: Bool, broadcastable: where false nothing changes. None for everywhere.
    """
    shares = torch.tensor([1 - beta for beta in BETAS], dtype=weights.dtype, device=weights.device)
    if enable is not None:
        gradient = torch.where(enable, gradient, 0.0)
        learning_rate = torch.where(enable, learning_rate, 0.0)
        shares = torch.where(enable[..., None], shares, 0.0)
    # 1 - beta^n as -expm1(n log(beta)) keeps float32's digits in the first steps
    logs = torch.tensor([math.log(beta) for beta in BETAS], dtype=weights.dtype).to(weights.device)
    lost = torch.expm1((step + 1)[..., None] * logs)
    # a share of exactly zero leaves the left argument as it is
    first = torch.lerp(first, gradient, shares[..., 0])
    second = torch.lerp(second, gradient * gradient, shares[..., 1])
    scale = second.sqrt() * (-lost[..., 1]).rsqrt() + EPS
    weights = torch.addcmul(
        weights * (1 - learning_rate * decay), first / scale, learning_rate / lost[..., 0]
    )
    return weights, first, second
