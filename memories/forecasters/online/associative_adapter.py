"""Coefficients that follow a layer's gradient, and an associative memory of past ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.forecasters.online.fsnet_layer import Shape, uniform

SLOW_DECAY = 0.9
FAST_DECAY = 0.3
"""Of the fast average of gradients, and of the average of coefficients that queries the memory."""
TEMPERATURE = 0.5
RECALLED = 2
"""Slots that are read and written at a time."""


class AssociativeAdapter(nn.Module):
    """Turns gradients of N layers of one shape into coefficients of their weights.

    For each input i of a layer, from the slow average g_i of the gradient of its weights,

        [w_i; beta_i; phi_i] = V silu(U g_i + u) + v        (Pham et al. 2023)

    Args:
        count: N.
        shape: Of a layer's weights.
        hidden: Width of the controller's hidden layer.
        kernel: Taps before any was left out.
        mixed_rows: Whether the rows of g are cut, as in the published program, from the gradient
            laid out by outputs, so that a row holds several input channels' parts.
        generator: Draws U and u from U(+-1/sqrt(O kernel)), V and v from U(+-1/sqrt(hidden)).
    """

    def __init__(
        self,
        count: int,
        shape: Shape,
        hidden: int,
        kernel: int,
        *,
        mixed_rows: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.mixed_rows = mixed_rows
        seen, inputs = shape.taps * shape.outputs, kernel * shape.outputs
        width = shape.coefficients
        self.down = uniform((count, seen, hidden), inputs, generator)
        self.down_bias = uniform((count, 1, hidden), inputs, generator)
        self.up = uniform((count, hidden, width), hidden, generator)
        self.up_bias = uniform((count, 1, width), hidden, generator)

    def forward(self, slow: Tensor) -> Tensor:
        """Coefficients [N, I, K + 2 O/I] from slow averages of gradients [N, I, K, O]."""
        if self.mixed_rows:
            rows = slow.permute(0, 3, 1, 2).reshape(len(slow), self.shape.inputs, -1)
        else:
            rows = slow.flatten(2)
        hidden = F.silu(torch.baddbmm(self.down_bias, rows, self.down))
        return torch.baddbmm(self.up_bias, hidden, self.up)


def averaged(gradient: Tensor, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
    """Slow and fast averages of gradients after one more.

    The gradient is first brought to length 1 along its input axis: for each tap and output, the
    weights of all inputs together.

    Args:
        gradient: [N, I, K, O].
        slow: Of the same shape.
        fast: Of the same shape.
    """
    unit = F.normalize(gradient, dim=1)
    return torch.lerp(unit, slow, SLOW_DECAY), torch.lerp(unit, fast, FAST_DECAY)


def opposed(slow: Tensor, fast: Tensor, tau: Tensor) -> Tensor:
    """Where the cosine of both averages [N, I, K, O] is below -tau, bool [N]; never where one is 0.

    Args:
        slow: [N, I, K, O].
        fast: [N, I, K, O].
        tau: Scalar.
    """
    slow, fast = slow.flatten(1), fast.flatten(1)
    lengths = (slow.square().sum(-1) * fast.square().sum(-1)).sqrt()
    return (slow * fast).sum(-1) < -tau * lengths


def recalled(
    coefficients: Tensor,
    query: Tensor,
    memory: Tensor,
    where: Tensor,
    tau: Tensor,
    *,
    index_weights: bool = False,
    write_back: bool = False,
) -> tuple[Tensor, Tensor]:
    """Coefficients [N, I, W] and memories [N, D, slots] after those layers recalled.

        a = softmax(q^T Mem / 0.5),   old = sum_j a_j Mem_j,   Mem_j <- tau Mem_j + (1-tau) a_j q,
        Mem <- Mem / max(1, |Mem|),   [w; beta; phi] <- tau [w; beta; phi] + (1-tau) old

    over the two slots j of largest a (Pham et al. 2023); the temperature, and that the other slots
    do not fade, are from their program.

    Args:
        coefficients: [N, I, W], D = I W.
        query: q, their average over time [N, D].
        memory: [N, D, slots], at least two slots.
        where: Which layers recall, bool [N].
        tau: What is kept of the present, scalar.
        index_weights: Whether old is weighted by the slots' numbers j, as in the published
            program, instead of by a_j.
        write_back: Whether old is written in place of q, as in the published program.
    """
    scores = torch.bmm(query[:, None], memory)[:, 0] / TEMPERATURE
    numbers = torch.arange(memory.shape[-1], device=memory.device)
    best = scores.topk(RECALLED).indices
    chosen = (best[..., None] == numbers).any(-2)
    shares = torch.where(chosen, scores.softmax(-1), 0.0)
    numbered = torch.where(chosen, numbers.to(shares.dtype), 0.0)
    old = torch.bmm(memory, (numbered if index_weights else shares)[..., None])
    kept = torch.where(chosen, tau, 1.0)[:, None]
    new = old if write_back else query[..., None]
    written = normalised(memory * kept + new * (shares[:, None] * (1 - kept)))
    blended = torch.lerp(old.view_as(coefficients), coefficients, tau)
    on = where[:, None, None]
    return torch.where(on, blended, coefficients), torch.where(on, written, memory)


def normalised(memory: Tensor) -> Tensor:
    """The memory [N, D, slots] with no layer's Frobenius norm above 1."""
    return memory / memory.square().sum((-2, -1), keepdim=True).sqrt().clamp(min=1)


def drawn_memory(count: int, shape: Shape, slots: int, generator: torch.Generator) -> Tensor:
    """Memories [N, D, slots] before anything was written, as Glorot & Bengio (2010) draw weights.

    Args:
        count: N.
        shape: Of a layer's weights.
        slots: Columns.
        generator: Draws them.
    """
    size = shape.inputs * shape.coefficients
    bound = math.sqrt(6 / (size + slots))
    drawn = torch.empty(count, size, slots).uniform_(-bound, bound, generator=generator)
    return normalised(drawn)
