"""Which candidate setting does best on validation data, and what is told about the choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def best_lanes(costs: Sequence[float], seeds: int) -> list[int]:
    """The lane of each seed's cheapest candidate; ties go to the first, what is not finite loses.

    Args:
        costs: Validation cost of each lane, seed-major.
        seeds: Number of seeds.
    """
    ranked = [cost if math.isfinite(cost) else math.inf for cost in costs]
    per_seed = len(ranked) // seeds
    chosen = []
    for start in range(0, len(ranked), per_seed):
        own = ranked[start : start + per_seed]
        chosen.append(start + own.index(min(own)))
    return chosen


def choice(
    candidates: Sequence[Mapping[str, Any]], scores: Sequence[float], best: int, *, score: str
) -> tuple[dict[str, Any], list[str]]:
    """Notes on the candidate chosen, and a warning for each value at the edge of its grid.

    Args:
        candidates: All settings that were tried.
        scores: Validation score of each.
        best: Index of the one chosen.
        score: Name of the score, e.g. ``validation_mse``.
    """
    at_edge = edges(candidates, candidates[best])
    told = {
        "choice": dict(candidates[best]),
        "candidates": [dict(candidate) for candidate in candidates],
        score: [value if math.isfinite(value) else None for value in scores],
        "at_edge": at_edge,
    }
    warnings = [
        f"the choice {name} = {candidates[best][name]:g} lies at the edge of its grid"
        for name in at_edge
    ]
    return told, warnings


def edges(candidates: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> list[str]:
    """Numbers whose chosen value is the smallest or largest of several that were tried."""
    found = []
    for name, value in chosen.items():
        tried = {candidate[name] for candidate in candidates}
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and len(tried) > 1 and value in (min(tried), max(tried)):
            found.append(name)
    return found
