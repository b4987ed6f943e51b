"""Gradient descent with momentum and weight decay over a chunk of events, in closed form.

S_t = momentum_t S_(t-1) - step_t g_t and M_t = keep_t M_(t-1) + S_t, the gradients g_t all taken at
M_0. Both are linear in M_0, S_0 and the gradients; what each of them contributes to M_n and S_n
depends on the gates alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixing:
    """Contributions to the weights M and the momentum S after the n events of one chunk.

    Attributes:
        kept: Of M before to M after, scalar.
        carried: Of S before to M after, scalar.
        sustained: Of S before to S after, scalar.
        to_weights: Of each event's negative gradient to M after, [n].
        to_momentum: Of each event's negative gradient to S after, [n].
    """

    kept: Tensor
    carried: Tensor
    sustained: Tensor
    to_weights: Tensor
    to_momentum: Tensor


def mixing(momentum: Tensor, step: Tensor, keep: Tensor) -> list[Mixing]:
    """The contributions in each of c chunks, from the gates [c, n] of its n events, n >= 1."""
    # E_ts and D_ts, the products of momentum and of keep over events s+1..t:
    # M_n = D_n0 M_0 + sum_t D_nt S_t and S_t = E_t0 S_0 - sum_(s <= t) E_ts step_s g_s
    survives, decays = _products(momentum), _products(keep)
    through = (decays[:, -1:] @ survives).squeeze(1)
    parts = (
        decays[:, -1, 0] * keep[:, 0],
        through[:, 0] * momentum[:, 0],
        survives[:, -1, 0] * momentum[:, 0],
        through * step,
        survives[:, -1] * step,
    )
    return [Mixing(*chunk) for chunk in zip(*(part.unbind(0) for part in parts), strict=True)]


def _products(gate: Tensor) -> Tensor:
    """Products [c, t, s] of the gates of events s+1..t, zero above the diagonal.

    As products and not as differences of summed logarithms: a gate may be zero.
    """
    order = torch.arange(gate.shape[-1], device=gate.device)
    factors = torch.where(order[:, None] > order, gate[..., :, None], 1.0)
    return factors.cumprod(-2).tril()
