"""Retrieval through one projected side, one query at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.reference import cross_attention, ring
from tests.reference.features import unit


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    capacity: int,
    top_k: int,
    query_in: Tensor,
    attention: Any,
) -> Tensor:
    """Attention of q W_q to the top_k nearest unprojected keys; later events win ties."""
    events = ring.kept(keys, values, capacity, lambda k: k)
    recalled = []
    for q in queries:
        probe = q @ query_in
        cosines = [
            (float((unit(probe) @ unit(key)).detach()), age)
            for age, (key, _) in enumerate(reversed(events))
        ]
        best = [age for _, age in sorted(cosines, key=lambda c: (-c[0], c[1]))[:top_k]]
        pairs = [events[-1 - age] for age in best]
        recalled.append(
            cross_attention.attend(attention, probe, [k for k, _ in pairs], [v for _, v in pairs])
        )
    return torch.stack(recalled)
