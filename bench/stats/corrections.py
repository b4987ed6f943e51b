"""Corrections for testing many hypotheses at once."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray

Correction = Literal["holm", "bh", "hommel", "bonferroni", "none"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


def adjust(p: ArrayLike, method: Correction = "holm") -> FloatArray:
    """Adjusted p-values of one family, in the order given.

    ``holm`` (1979) and ``bonferroni`` bound the chance of any false claim under every
    dependence; ``hommel`` (1988) does so for independent or positively dependent tests; ``bh``
    (Benjamini & Hochberg 1995) bounds the expected share of false claims.

    Raises:
        ValueError: If a p-value is NaN or outside [0, 1]. What cannot be tested by design is
            left out by the caller; what was planned and failed enters with p = 1.
    """
    raw = np.asarray(p, dtype=np.float64)
    if raw.ndim != 1 or not ((raw >= 0) & (raw <= 1)).all():
        raise ValueError("p-values must be a vector of numbers within [0, 1]")
    if raw.size == 0 or method == "none":
        return raw.copy()
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(_ADJUSTED[method](raw[order]), 1.0)
    return adjusted


# statsmodels' multipletests runs a full garbage collection in each Holm correction, a fifth of a
# second in a large process; these are its formulas, and it is the reference in the tests.


def _bonferroni(p: FloatArray) -> FloatArray:
    return p * p.size


def _holm(p: FloatArray) -> FloatArray:
    steps: FloatArray = np.maximum.accumulate(p * np.arange(p.size, 0, -1))
    return steps


def _benjamini_hochberg(p: FloatArray) -> FloatArray:
    steps: FloatArray = np.minimum.accumulate((p * p.size / np.arange(1, p.size + 1))[::-1])[::-1]
    return steps


def _hommel(p: FloatArray) -> FloatArray:
    """The least level at which Simes' test rejects every intersection that holds a hypothesis."""
    adjusted = p.copy()
    for m in range(p.size, 1, -1):
        simes = np.min(m * p[-m:] / np.arange(1, m + 1))
        adjusted[-m:] = np.maximum(adjusted[-m:], simes)
        adjusted[:-m] = np.maximum(adjusted[:-m], np.minimum(m * p[:-m], simes))
    return adjusted


_ADJUSTED = {
    "holm": _holm,
    "bh": _benjamini_hochberg,
    "hommel": _hommel,
    "bonferroni": _bonferroni,
}
