"""Timings that another run can be compared with: many rounds, calibrated, with the collector off.

A machine's speed drifts. In every round each call is timed once, and so is one fixed matrix
product: a drift that slows the round down slows the product too, and the ratio of both has no
unit and less of the drift.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bench.garbage import nothing_collected

WARM_UP = 3
"""Rounds that are not counted."""
REPEATS = 10
"""Rounds that are, unless the budget of time ends before."""
LEAST = 3
"""Rounds that are taken whatever they take."""
SECONDS = 0.6
"""Budget of time for all rounds of a cell: a memory that is slow is timed less often."""
CALIBRATION = 192
"""Rows and columns of the matrices of the calibration product."""


@dataclass(frozen=True)
class Timing:
    """Repeats of one call.

    Attributes:
        raw: Microseconds of each repeat.
        calibrated: Each over the time that the calibration product took in the same round.
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the raw repeats, in microseconds."""
        return statistics.median(self.raw)


def rounds(
    calls: Mapping[str, Callable[[], Any]],
    device: torch.device,
    *,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
) -> dict[str, Timing]:
    """Time several calls side by side, once each per round.

    Args:
        calls: What is timed, by name.
        device: Where they run; waited for before and after each call.
        repeats: Rounds counted.
        seconds: Budget after which no further round begins, `LEAST` rounds apart.

    Returns:
        Timings by the names of `calls`, all with equally many repeats.
    """
    square = torch.full((CALIBRATION, CALIBRATION), 1 / CALIBRATION, device=device)
    everything = [*calls.values(), lambda: square @ square]
    begin = time.perf_counter()

    def over() -> bool:
        return time.perf_counter() - begin > seconds

    taken: list[list[float]] = []
    with nothing_collected():  # a pause would fall on whatever is timed
        for done in range(WARM_UP):
            if done and over():
                break
            _round(everything, device)
        while len(taken) < repeats and (len(taken) < LEAST or not over()):
            taken.append(_round(everything, device))
    *columns, products = zip(*taken, strict=True)
    return {
        name: Timing(raw, tuple(a / b for a, b in zip(raw, products, strict=True)))
        for name, raw in zip(calls, columns, strict=True)
    }


def _round(calls: Iterable[Callable[[], Any]], device: torch.device) -> list[float]:
    return [_microseconds(call, device) for call in calls]


def _microseconds(call: Callable[[], Any], device: torch.device) -> float:
    _synchronize(device)
    start = time.perf_counter()
    call()
    _synchronize(device)
    return (time.perf_counter() - start) * 1e6


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
