"""Metrics of recall with their bounds, chance and ceiling filled in."""

from __future__ import annotations

from tasks.base import Direction, Metric


def accuracy(
    name: str,
    value: float,
    chance: float | None,
    *,
    x: float | None = None,
    primary: bool = False,
) -> Metric:
    """A share of right answers, in [0, 1]."""
    return Metric(
        name, value, "higher", primary=primary, x=x, bounds=(0.0, 1.0), chance=chance, ceiling=1.0
    )


def cosine(name: str, value: float, *, x: float | None = None, primary: bool = False) -> Metric:
    """A cosine to what should have been recalled, in [-1, 1]; 0 for a memory that guesses."""
    return Metric(
        name, value, "higher", primary=primary, x=x, bounds=(-1.0, 1.0), chance=0.0, ceiling=1.0
    )


def difference(
    name: str, value: float, direction: Direction, *, of_cosines: bool = False
) -> Metric:
    """A difference of two accuracies, in [-1, 1], or of two cosines, in [-2, 2]."""
    widest = 2.0 if of_cosines else 1.0
    return Metric(name, value, direction, bounds=(-widest, widest))
