"""A context that drifts with what was last seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from memories.features import unit


class ContextDrift(nn.Module):
    """A unit vector that moves a little towards each input.

    c <- unit(lambda c + sqrt(1 - lambda^2) unit(x)), x = k U: the context of the temporal context
    model (Howard & Kahana 2002), here at unit length after every step. Similar times have similar
    contexts: without the normalisation, and with orthonormal inputs, contexts j steps apart have
    a cosine of lambda^j.

    Args:
        key_dim: D.
        width: Width C of the context.
        decay: Initial lambda, a slow weight.
        generator: Source of U [D, C], a slow weight that starts with orthonormal columns, or rows
            where C exceeds D.
    """

    def __init__(self, key_dim: int, width: int, decay: float, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(max(key_dim, width), min(key_dim, width), generator=generator)
        basis: Tensor = torch.linalg.qr(drawn).Q
        self.key_in = nn.Parameter((basis if key_dim >= width else basis.mT).contiguous())
        self.decay_logit = nn.Parameter(torch.tensor(math.log(decay / (1 - decay))))

    def of_keys(self, keys: Tensor) -> Tensor:
        """Inputs [N, C] at unit length that keys [N, D] are to the context."""
        return unit(keys @ self.key_in)

    def forward(self, context: Tensor, arrived: Tensor) -> Tensor:
        """The context [..., C] after an input [..., C] of unit length."""
        decay = self.decay_logit.sigmoid()
        return unit(decay * context + (1 - decay * decay).sqrt() * arrived)

    def path(self, context: Tensor, arrived: Tensor) -> Tensor:
        """Contexts [N + 1, C]: before the first of N inputs [N, C], and after each."""
        contexts = [context]
        for x in arrived:
            contexts.append(self(contexts[-1], x))
        return torch.stack(contexts)


def drift_width(key_dim: int, context_dim: int) -> int:
    """Width of a drifting context: that of the task's contexts, or at most 32 without them."""
    return context_dim or min(32, key_dim)
