"""How memory tokens enter an encoder's sequence, and what they add to its forecast."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.backbones.tokens import Addend


def in_front(tokens: Tensor, own: Tensor) -> Tensor:
    """Memory tokens in front of each sequence of a window, [B, G, M + N, d].

    Args:
        tokens: [M, d] for all windows, or [B, M, d]; M may be 0.
        own: The G sequences of each of B windows, [B, G, N, d].
    """
    count, width = tokens.shape[-2:]
    if not count:
        return own
    each = tokens if tokens.dim() == 2 else tokens[:, None]
    return torch.cat([each.expand(*own.shape[:2], count, width), own], dim=-2)


def with_addend(leads: Tensor, hidden: Tensor, addend: Addend | None) -> Tensor:
    """Forecasts [B, C, H] of normalised windows, plus what is read from hidden states.

    Args:
        leads: [B, C, H].
        hidden: [B, N, C, d], or [B, N, 1, d] where channels are mixed.
        addend: Maps hidden states to what is added; None for nothing.
    """
    extra = None if addend is None else addend(hidden)
    return leads if extra is None else leads + extra
