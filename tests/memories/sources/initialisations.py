"""Reads of many initialisations at once, to see what recall is on average over them."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.lanes import Lanes
from tests.memories.case import build, events

DIM, N = 32, 20


def reads(name: str, n_seeds: int, **params: object) -> tuple[Tensor, Tensor]:
    """Reads [S, N, D] of the written keys and the values [S, N, D], each seed with its own."""
    lanes = Lanes(
        [build(name, seed, key_dim=DIM, value_dim=DIM, **params) for seed in range(n_seeds)]
    )
    drawn = [events(1000 + s, N, key_dim=DIM, value_dim=DIM) for s in range(n_seeds)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    return lanes.read(lanes.write(lanes.init_state(), keys, values), keys), values


def mean_cosine(name: str, n_seeds: int, **params: object) -> float:
    """Mean cosine of reads and values over initialisations and events."""
    recalled, values = reads(name, n_seeds, **params)
    return float(torch.cosine_similarity(recalled, values, dim=-1).mean())
