"""Adam as a pure function on one flat vector, so that its moments can be state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BETAS = (0.9, 0.999)
EPS = 1e-8

ALIGNED = 16
"""In a flat vector each parameter starts at a multiple of so many floats, 64 bytes, as it does in
a module: the place in memory decides in which order products are summed, and so the last bits."""


class Packing:
    """Where tensors lie in one vector: each at a multiple of `ALIGNED`, zeros in between.

    The zeros have no gradient, and stay zero under every optimiser here.

    Args:
        shapes: Of the tensors, in their order.

    Attributes:
        shapes: The same.
        size: Length P of the vector.
    """

    def __init__(self, shapes: Iterable[Sequence[int]]) -> None:
        self.shapes = tuple(tuple(shape) for shape in shapes)
        lengths = [math.prod(shape) for shape in self.shapes]
        self._gaps = [-length % ALIGNED for length in lengths]
        pieces = [n for both in zip(lengths, self._gaps, strict=True) for n in both]
        # a piece costs an operation in the backward pass, an empty one too
        self._cuts = [n for i, n in enumerate(pieces) if n or i % 2 == 0]
        self._kept = [sum(map(bool, self._gaps[:i])) + i for i in range(len(lengths))]
        self.size = sum(self._cuts)

    @classmethod
    def of(cls, module: nn.Module) -> Packing:
        """That of all parameters of a module, in the order of `named_parameters`."""
        return cls(parameter.shape for parameter in module.parameters())

    def pack(self, tensors: Iterable[Tensor]) -> Tensor:
        """The tensors as one vector [P]."""
        flat = [tensor.reshape(-1) for tensor in tensors]
        return torch.cat([F.pad(t, (0, gap)) for t, gap in zip(flat, self._gaps, strict=True)])

    def unpack(self, vector: Tensor) -> list[Tensor]:
        """The tensors in a vector [P], as views."""
        pieces = torch.split(vector, self._cuts)
        return [pieces[i].view(shape) for i, shape in zip(self._kept, self.shapes, strict=True)]


def flatten(module: nn.Module) -> Tensor:
    """All parameters of a module as one vector [P], laid out by `Packing`."""
    return Packing.of(module).pack(module.parameters())


def unflatten(module: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """The vector [P] cut back into named parameters of the module's shapes, as views."""
    names = [name for name, _ in module.named_parameters()]
    return dict(zip(names, Packing.of(module).unpack(vector), strict=True))


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
