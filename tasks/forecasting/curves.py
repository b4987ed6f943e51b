"""How a forecaster's error goes over the test pass, by itself and against the frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric
from tasks.forecasting.metrics import loss, skill

Errors = NDArray[np.floating]
"""Mean squared error of each origin [N], in time order."""

POINTS = 100
"""At most this many points of a curve are kept."""
WINDOW = 500
"""Origins of a windowed mean; a shorter pass has no windowed curves."""


def adaptation(errors: Errors, frozen: Errors) -> list[Metric]:
    """The curves of one forecaster; x is the number of origins scored so far.

    ``mse_cumulative``, the mean over all origins so far; ``mse_windowed``, over the newest 500;
    ``skill_windowed``, one minus its ratio to the frozen backbone's; and
    ``loss_difference_cumulative``, the sum of the frozen backbone's errors minus the
    forecaster's, whose slope says when it gains.

    Args:
        errors: Of the forecaster.
        frozen: Of the backbone as pre-trained, on the same origins.
    """
    errors, frozen = errors.astype(np.float64), frozen.astype(np.float64)
    gained = np.cumsum(frozen - errors)
    every = thinned(range(len(errors)))
    curves = [loss("mse_cumulative", errors[: k + 1].mean(), x=k + 1) for k in every]
    curves += [_difference(gained[k], k + 1) for k in every]
    own, reference = windowed(errors), windowed(frozen)
    for k in thinned(range(len(own))):
        curves.append(loss("mse_windowed", own[k], x=k + WINDOW))
        if reference[k] > 0:  # against a backbone without error there is no relative gain
            curves.append(skill("skill_windowed", 1 - own[k] / reference[k], k + WINDOW))
    return curves


def windowed(errors: Errors, window: int = WINDOW) -> Errors:
    """Means over `window` consecutive errors, the first over the first ones; none if fewer."""
    if len(errors) < window:
        return np.empty(0)
    means: Errors = np.lib.stride_tricks.sliding_window_view(errors, window).mean(-1)
    return means


def thinned(indices: Sequence[int], points: int = POINTS) -> list[int]:
    """At most `points` of the indices, evenly spaced, first and last among them."""
    if not indices:
        return []
    kept = np.unique(np.linspace(0, len(indices) - 1, points).round().astype(int))
    return [indices[k] for k in kept.tolist()]


def _difference(value: float, x: int) -> Metric:
    return Metric("loss_difference_cumulative", float(value), "higher", x=float(x), chance=0.0)
