"""How much of what was written is left some events later.

A decay is a scalar tensor, the same at every event, or [n] with one per event. Event t multiplies
what is stored by decay_t before it writes, so that from event s to event t the share
G_ts = decay_(s+1) ... decay_t is left. It is formed from sums of logarithms over just these
events: neither 1/decay nor the difference of two long sums appears, so that strong decay, even one
that has underflowed to zero, leaves values and gradients finite.
"""

from __future__ import annotations

import torch
from torch import Tensor


def between(decay: Tensor, n: int, shift: int) -> Tensor:
    """What is left of update s when event t is read, as [t, s] [n, n]; one above the diagonal.

    Args:
        decay: Scalar or [n].
        n: Number of events.
        shift: 0 to read after event t's own decay, 1 to read before it.
    """
    step = torch.arange(n, device=decay.device)
    if not decay.dim():
        # clamped: negative powers would overflow above the diagonal, with a gradient of NaN
        return decay ** (step[:, None] - step - shift).clamp(min=0)
    # row t of the sum holds the logs of events s+1 ... t
    logs = torch.where(step[:, None] > step, _log(decay)[:, None], 0.0).cumsum(0)
    return torch.cat([torch.zeros_like(logs[:shift]), logs[: n - shift]]).exp()


def since_start(decay: Tensor, n: int, shift: int) -> Tensor:
    """What is left at event t of the weights before the first event, [n]; `shift` as above."""
    if not decay.dim():
        return decay ** torch.arange(1 - shift, n + 1 - shift, device=decay.device)
    logs = _log(decay).cumsum(0)
    return torch.cat([torch.zeros_like(logs[:shift]), logs[: n - shift]]).exp()


def to_end(decay: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """What is left after n events: of the weights before them (scalar), of each update [n]."""
    if not decay.dim():
        return decay**n, decay ** torch.arange(n - 1, -1, -1, device=decay.device)
    logs = _log(decay)
    later = torch.cat([logs[1:], torch.zeros_like(logs[:1])])
    return logs.sum().exp(), later.flip(0).cumsum(0).flip(0).exp()


def _log(decay: Tensor) -> Tensor:
    # a gate that underflowed to zero would give -inf here and NaN in its gradient
    return decay.clamp(min=torch.finfo(decay.dtype).tiny).log()
