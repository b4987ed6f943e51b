"""Many queries answered a block at a time, so that [Q, M] scores never grow with Q."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

QUERY_BLOCK = 1024
"""Queries per block: at 4,096 slots its scores take 16 MB a lane."""


def in_blocks(read: Callable[[Tensor], Tensor], queries: Tensor) -> Tensor:
    """What `read` returns [Q, V] for queries [Q, D], called on at most 1,024 of them at a time."""
    return torch.cat([read(block) for block in torch.split(queries, QUERY_BLOCK)])
