"""Tails of the noncentral t distribution, also where its series does not converge."""

from __future__ import annotations

import math

from scipy.special import chdtr, nctdtr

_LARGE = 1e4
"""Beyond it scipy's series may not converge, and Z adds less than 1e-4 to any probability."""


def upper_tail(t: float, df: int, shift: float) -> float:
    """P(T > t) for T = (Z + shift) / sqrt(W / df), Z normal, W chi-squared with `df`."""
    if max(abs(t), abs(shift)) > _LARGE:
        return 1 - _without_noise(t, df, shift)
    return lower_tail(-t, df, -shift)  # -T is a noncentral t too, around -shift


def lower_tail(t: float, df: int, shift: float) -> float:
    """P(T <= t); see `upper_tail`."""
    if max(abs(t), abs(shift)) > _LARGE:
        return _without_noise(t, df, shift)
    # the function behind scipy.stats.nct, without the checks that take thirty times as long
    found = float(nctdtr(df, shift, t))
    # scipy returns NaN instead of 0 where a tail underflows
    return (0.0 if shift > t else 1.0) if math.isnan(found) else found


def _without_noise(t: float, df: int, shift: float) -> float:
    """P(T <= t) with Z left out, which no longer counts beside a large t or shift."""
    if t * shift <= 0:
        return float(shift < t or shift == t == 0)
    below_in_size = 1 - float(chdtr(df, df * (shift / t) ** 2))
    return below_in_size if t > 0 else 1 - below_in_size
