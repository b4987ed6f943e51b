"""Values of our own seeds set against one published number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.stats.arrays import sample
from bench.stats.student import critical_t

Agreement = Literal["reproduced", "higher", "lower", "inconclusive"]
LEAST_VALUES = 3
"""Below this n the spread over seeds is not known well enough to say anything."""


@dataclass(frozen=True)
class Replication:
    """The mean of own values minus a published number.

    Attributes:
        difference: mean(values) - published.
        lo: Lower end of its interval.
        hi: Upper end.
        level: Nominal coverage of the interval.
        t: Statistic of the test that there is no difference; None without any spread.
        df: Degrees of freedom of t and interval.
        p: Its two-sided p; None without any spread.
        method: ``t``: the published number is taken as it stands; ``prediction``: as the mean of
            as many runs as it was made of, spread like ours; ``welch``: with its own spread.
    """

    difference: float
    lo: float
    hi: float
    level: float
    t: float | None
    df: float
    p: float | None
    method: Literal["t", "prediction", "welch"]

    def agreement(self, margin: float) -> Agreement:
        """Whether the difference lies within +-`margin`, as far as the interval tells.

        Reproduced if the whole interval lies within the margin, higher or lower if all of it lies
        outside, else inconclusive: an interval that is wide because of few seeds reproduces
        nothing.
        """
        if -margin <= self.lo and self.hi <= margin:
            return "reproduced"
        if self.lo > margin:
            return "higher"
        return "lower" if self.hi < -margin else "inconclusive"


def replication(
    values: ArrayLike,
    published: float,
    *,
    sd: float | None = None,
    n: int | None = None,
    level: float = 0.95,
) -> Replication:
    """Own values against a published number, with as much of its uncertainty as is known.

    With variance s^2 over m own values the squared standard error of the difference is s^2/m
    where nothing is known of the published number (Student 1908), s^2 (1/m + 1/n) where it is the
    mean of n runs of unknown spread (the prediction interval of a replication, Spence and Stanley
    2016), and s^2/m + sd^2/n where its spread is known too (Welch 1947).

    Args:
        values: Own values, one per seed, at least 2.
        published: The number.
        sd: Its sample standard deviation over runs.
        n: Number of runs behind it.
        level: Nominal coverage.

    Raises:
        ValueError: If there are fewer than 2 values or one is not finite, or `sd` comes without
            at least 2 runs.
    """
    x = sample(values, least=2)
    own = float(x.var(ddof=1)) / x.size
    df, error = float(x.size - 1), own
    method: Literal["t", "prediction", "welch"] = "t"
    if sd is not None:
        if n is None or n < 2:
            raise ValueError("a standard deviation needs the number of runs it is of, at least 2")
        method, theirs = "welch", sd**2 / n
        error = own + theirs
        df = error**2 / (own**2 / (x.size - 1) + theirs**2 / (n - 1)) if error else df
    elif n is not None:
        method, error = "prediction", own + float(x.var(ddof=1)) / n
    difference = float(x.mean()) - published
    half = critical_t(level, df) * math.sqrt(error)
    t = difference / math.sqrt(error) if error else None
    p = None if t is None else float(2 * stdtr(df, -abs(t)))
    return Replication(difference, difference - half, difference + half, level, t, df, p, method)
