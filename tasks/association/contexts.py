"""Contexts that events come in: one per list with some scatter, or one that drifts."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tasks.association.keys import orthonormal_keys, unit_keys

CONTEXT_NOISE = 0.1
"""Scatter of an event's context around its list's context."""


def list_contexts(
    generator: torch.Generator, lists: int, items: int, dim: int
) -> tuple[Tensor, Tensor]:
    """Orthonormal contexts [L, C] of L lists, at most C, and those [L, items, C] of their events.

    An event's context is unit(c + .1 n / sqrt(C)), n from N(0, I).
    """
    own = orthonormal_keys(generator, lists, dim)
    noise = torch.randn(lists, items, dim, generator=generator)
    return own, normalize(own[:, None] + CONTEXT_NOISE * noise / math.sqrt(dim), dim=-1)


def drifting_contexts(generator: torch.Generator, n: int, dim: int, drift: float) -> Tensor:
    """Unit contexts [n, C] of events in a row: c <- unit(sqrt(1 - drift^2) c + drift u).

    u is a random unit vector, so that the cosine over a lag falls off about as
    (1 - drift^2)^(lag/2) (temporal context model, Howard & Kahana 2002).
    """
    steps = unit_keys(generator, n, dim)
    contexts = [steps[0]]
    for step in steps[1:]:
        contexts.append(normalize(math.sqrt(1 - drift**2) * contexts[-1] + drift * step, dim=-1))
    return torch.stack(contexts)
