"""What is told about parameters that were chosen on validation episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def best_lanes(f1: Sequence[float], seeds: int) -> list[int]:
    """The lane of each seed's best candidate; ties go to the first.

    Args:
        f1: Validation score of each lane, seed-major; -inf where a read was not finite.
        seeds: Number of seeds.
    """
    per_seed = len(f1) // seeds
    chosen = []
    for start in range(0, len(f1), per_seed):
        own = f1[start : start + per_seed]
        chosen.append(start + own.index(max(own)))
    return chosen


def choice(
    candidates: Sequence[Mapping[str, Any]], f1: Sequence[float], best: int
) -> tuple[dict[str, Any], list[str]]:
    """Notes on the candidate chosen, and a warning for each value at the edge of its grid."""
    at_edge = edges(candidates, candidates[best])
    told = {
        "choice": dict(candidates[best]),
        "candidates": [dict(candidate) for candidate in candidates],
        "validation_f1": [value if math.isfinite(value) else None for value in f1],
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
