"""A code of the time of an event that can be stored as part of its value, and read back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tasks.association.recall import TIE

WIDTH = 16
FREQUENCIES = WIDTH // 2


def time_codes(n: int) -> Tensor:
    """Unit codes [N, 16] of times 0 to N-1.

    phi(t)_(2i, 2i+1) = (sin, cos)(t / w_i) / sqrt(8), w_i = (2N)^(i/7) for i = 0 to 7: the
    fastest pair turns once in 2 pi events, the slowest in 4 pi N.
    """
    rates = (2.0 * n) ** (-torch.arange(FREQUENCIES, dtype=torch.float64) / (FREQUENCIES - 1))
    angles = torch.arange(n, dtype=torch.float64)[:, None] * rates
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return (waves / math.sqrt(FREQUENCIES)).float()


def decode_times(reads: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Decoded times [S, Q] and, per time, whether it ties for the nearest code, bool [S, Q, N].

    The nearest code has the largest inner product; the decoded time is the mean over those that
    tie, so a read without a time is decoded to the middle of the list.

    Args:
        reads: Time parts of reads, [S, Q, 16].
        codes: [N, 16].
    """
    scores = reads @ codes.T
    slack = TIE * scores.abs().amax(-1, keepdim=True)
    nearest = scores >= scores.amax(-1, keepdim=True) - slack
    times = torch.arange(codes.shape[0], dtype=torch.float64, device=reads.device)
    return (nearest * times).sum(-1) / nearest.sum(-1), nearest
