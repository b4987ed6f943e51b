"""Exact retrieval: the stored events whose keys point most nearly where a query points."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from memories.slots.nearest import nearest, rounding

NORM_OFFSET = 1e-8


class Neighbours(NamedTuple):
    """What was retrieved for Q queries, the nearest first.

    Attributes:
        slots: Where they lie [..., Q, m]; the number of all slots where fewer than m were found.
        cosine: Their cosines [..., Q, m]; zero where nothing was found.
        found: Whether there is such an event, bool [..., Q, m].
    """

    slots: Tensor
    cosine: Tensor
    found: Tensor


def cosines(queries: Tensor, keys: Tensor) -> Tensor:
    """<q, k> / ((|q| + 1e-8) (|k| + 1e-8)) [Q, M] of queries [Q, D] and keys [M, D]."""
    # the root of an exact zero has no gradient
    lengths = [((x * x).sum(-1) + torch.finfo(x.dtype).tiny).sqrt() for x in (queries, keys)]
    scales = (lengths[0] + NORM_OFFSET)[:, None] * (lengths[1] + NORM_OFFSET)
    return queries @ keys.mT / scales


def nearest_events(
    queries: Tensor, keys: Tensor, usable: Tensor, order: Tensor, count: int
) -> Neighbours:
    """The m events of highest cosine; of equal ones those that come first in the order.

    Args:
        queries: [Q, D].
        keys: [M, D]; anything, NaN included, where no query may use them.
        usable: Which slots each query may use, bool [Q, M] or [M].
        order: Slots [M], preferred ones first.
        count: m; more than there are slots means all of them.
    """
    allowed = usable[..., order].expand(queries.shape[0], -1)
    sorted_keys = torch.where(allowed.any(0)[:, None], keys[order], 0.0)
    cosine = cosines(queries, sorted_keys)
    scores = torch.where(allowed, cosine, -torch.inf)
    position = nearest(scores.detach(), min(count, keys.shape[0]), rounding(keys))
    ranks = scores.detach().gather(-1, position).sort(dim=-1, descending=True, stable=True).indices
    position = position.gather(-1, ranks)
    found = allowed.gather(-1, position)
    return Neighbours(
        torch.where(found, order[position], keys.shape[0]),
        torch.where(found, cosine.gather(-1, position), 0.0),
        found,
    )
