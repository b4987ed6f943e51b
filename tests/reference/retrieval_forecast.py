"""Forecasts corrected by remembered errors, one origin at a time (H-Mem's controls, 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tests.reference.features import unit


def errors_known(
    rows: Tensor, first: int, t: int, horizon: int, forecast: Callable[[int], Tensor]
) -> list[tuple[int, Tensor]]:
    """Origin and backbone's error [H, C] of every forecast whose target is complete at t."""
    return [
        (origin, rows[origin + 1 : origin + horizon + 1] - forecast(origin))
        for origin in range(first, t - horizon + 1)
    ]


def by_similarity(
    rows: Tensor, t: int, known: list[tuple[int, Tensor]], *, key_rows: int, capacity: int
) -> Tensor | float:
    """Softmax-weighted mean, T = 0.1, of the errors under the five most similar keys."""
    probe = unit(rows[t - key_rows + 1 : t + 1].flatten())
    kept = known[-capacity:]
    near = [
        (float(probe @ unit(rows[o - key_rows + 1 : o + 1].flatten())), error) for o, error in kept
    ]
    best = sorted(near, key=lambda entry: -entry[0])[:5]
    total = sum(math.exp(s / 0.1) for s, _ in best)
    return sum((math.exp(s / 0.1) / total * error for s, error in best), 0.0)


def by_recency(
    known: list[tuple[int, Tensor]], *, top_k: int, decay: float, temperature: float, needed: int
) -> Tensor | float:
    """Mean of the newest errors, weighted by e^(decay^age / T)."""
    if len(known) < needed:
        return 0.0
    newest = [error for _, error in reversed(known)][:top_k]
    raw = [math.exp(decay**age / temperature) for age in range(1, len(newest) + 1)]
    return torch.stack([w / sum(raw) * e for w, e in zip(raw, newest, strict=True)]).sum(0)
