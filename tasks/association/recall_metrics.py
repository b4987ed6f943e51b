"""Metrics of recall with their bounds, chance and ceiling filled in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tasks.base import Direction, Metric


def accuracy(
    name: str,
    value: float,
    chance: float | None,
    *,
    x: float | None = None,
    primary: bool = False,
    answers: int | None = None,
) -> Metric:
    """A share of right answers, in [0, 1].

    Args:
        name: Its name.
        value: The share.
        chance: Share of a memory that guesses.
        x: Coordinate on a curve.
        primary: Whether it is tested.
        answers: How many answers it is the share of: no difference between two memories is finer
            than one of them. A test needs to know.
    """
    return Metric(
        name,
        value,
        "higher",
        primary=primary,
        x=x,
        bounds=(0.0, 1.0),
        resolution=1 / answers if answers else 0.0,
        chance=chance,
        ceiling=1.0,
    )


def capacity_step(loads: Sequence[int], episodes: Callable[[int], int]) -> float:
    """The smallest step of a capacity read off a curve by linear interpolation, in items.

    Between loads a < b the curve falls by at most one, so that one answer more or less at b moves
    the crossing by at least (b - a) / (b x episodes).

    Args:
        loads: Increasing loads.
        episodes: Episodes that the accuracy at a load is the mean of.
    """
    steps = [(b - a) / (b * episodes(b)) for a, b in pairwise(loads)]
    return min(steps, default=0.0)


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
