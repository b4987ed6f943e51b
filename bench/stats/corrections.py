"""Corrections for testing many hypotheses at once."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.arrays import FloatArray
from bench.stats.holm import holm

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
    if method == "holm":
        return holm(raw)  # statsmodels collects garbage in each call: too slow for many families
    from statsmodels.stats.multitest import multipletests  # slow to import, seldom asked for

    adjusted: FloatArray = multipletests(raw, method=_STATSMODELS.get(method, method))[1]
    return adjusted


_STATSMODELS = {"bh": "fdr_bh"}
"""What statsmodels calls a correction, where the name differs."""
