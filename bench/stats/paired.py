"""Which paired test is used when, with the guards that keep small samples honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats import permutation
from bench.stats.arrays import BoolArray, FloatArray, cells
from bench.stats.student import paired_t

Test = Literal["auto", "t", "signflip", "wilcoxon", "welch"]
PairedTestName = Literal["none", "t", "signflip", "wilcoxon"]

LEAST_PAIRS = 3
"""With fewer pairs nothing is tested: the numbers are shown as they are."""
SIGN_FLIP_FROM = 12
"""From this many pairs on the default test is the sign-flip test instead of the t-test."""
CONSTANT = 1e-11
"""Differences this close to their mean, relative to the values, are one rounding step apart."""


@dataclass(frozen=True)
class PairedTest:
    """What a test says about one cell.

    Attributes:
        test: The test used; ``none`` below 3 pairs.
        n: Number of pairs.
        statistic: t, the mean difference (sign-flip) or W (Wilcoxon); None where undefined.
        p: Two-sided p-value; None below 3 pairs.
        p_flip: The exact or Monte-Carlo sign-flip p, whatever the test; None below 3 pairs.
        tie: Whether all differences are zero.
        constant: Whether all differences are the same non-zero number.
        fragile: Whether significance hangs on a single seed.
    """

    test: PairedTestName
    n: int
    statistic: float | None
    p: float | None
    p_flip: float | None
    tie: bool = False
    constant: bool = False
    fragile: bool = False

    @property
    def smallest_p(self) -> float:
        """The smallest p the test could have returned at this n."""
        if self.test in ("signflip", "wilcoxon"):
            return permutation.smallest_p(self.n)
        return 0.0 if self.test == "t" else 1.0


def choose(n: int, test: Test = "auto") -> PairedTestName:
    """The paired test for n pairs; it depends on n and the request, never on the data.

    A pre-test of normality has no power at n = 5, and the two-step procedure no known level.

    Raises:
        ValueError: If Welch's test is asked for, which takes two samples.
    """
    if test == "welch":
        raise ValueError("Welch's test is not a paired test")
    if n < LEAST_PAIRS:
        return "none"
    if test == "auto":
        return "signflip" if n >= SIGN_FLIP_FROM else "t"
    return test


def paired_tests(
    d: ArrayLike,
    *,
    rng: np.random.Generator,
    test: Test = "auto",
    alpha: float = 0.05,
    scale: ArrayLike | None = None,
    resolution: ArrayLike = 0.0,
) -> list[PairedTest]:
    """One result per cell, for cells that have the same number of pairs.

    Guards: constant differences have no t unless the metric has a resolution (non-zero ones get
    the sign-flip p, all zeros are a tie with p = 1); the sd is not taken below the resolution
    floor; a significant t-test that hangs on one seed is flagged.

    Args:
        d: Oriented differences [cells, n], or [n] for one cell.
        rng: Source of random sign patterns for n > 16.
        test: Test to use, or ``auto``.
        alpha: Level at which fragility is judged.
        scale: Largest magnitude of the values behind each cell [cells]; by default of `d`.
        resolution: Smallest step of the metric, one number or [cells].
    """
    x = cells(d)
    count, n = x.shape
    name = choose(n, test)
    if name == "none":
        return [PairedTest("none", n, None, None, None) for _ in range(count)]
    magnitude = np.abs(x).max(axis=1) if scale is None else np.asarray(scale, dtype=np.float64)
    flip = permutation.sign_flip(x, rng=rng)
    tie, constant = _degenerate(x, magnitude)
    # a metric that moves in steps has a spread, that of rounding, even where all pairs agree
    constant &= np.broadcast_to(np.asarray(resolution) == 0, count) | (name != "t")
    statistic, p = _apply(name, x, flip, resolution, rng)
    unsure = _fragile(x, p, alpha, resolution) if name == "t" else np.zeros(count, dtype=bool)
    plain = [
        PairedTest(
            name, n, float(statistic[i]), float(p[i]), float(flip[i]), fragile=bool(unsure[i])
        )
        for i in range(count)
    ]
    return _guarded(plain, x.mean(axis=1), tie, constant)


def _guarded(
    plain: list[PairedTest], mean: FloatArray, tie: BoolArray, constant: BoolArray
) -> list[PairedTest]:
    """The results with those replaced that rest on a spread of zero."""
    results = []
    for i, found in enumerate(plain):
        if tie[i]:
            found = PairedTest(found.test, found.n, 0.0, 1.0, 1.0, tie=True)
        elif constant[i]:
            exact = (float(mean[i]), found.p_flip, found.p_flip)
            found = PairedTest("signflip", found.n, *exact, constant=True)
        results.append(found)
    return results


def is_constant(d: ArrayLike, scale: float) -> bool:
    """Whether the differences are all the same, up to the rounding of values of size `scale`."""
    x = cells(d)
    return bool((np.abs(x - x.mean(axis=1, keepdims=True)) <= CONSTANT * scale).all())


def _degenerate(x: FloatArray, scale: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Which cells are all zeros, and which are constant otherwise."""
    tie = (x == 0).all(axis=1)
    off = np.abs(x - x.mean(axis=1, keepdims=True)).max(axis=1)
    return tie, (off <= CONSTANT * scale) & ~tie


def _apply(
    name: PairedTestName,
    x: FloatArray,
    flip: FloatArray,
    resolution: ArrayLike,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    if name == "t":
        return paired_t(x, resolution)
    if name == "wilcoxon":
        return permutation.wilcoxon_statistic(x), permutation.wilcoxon(x, rng=rng)
    return x.mean(axis=1), flip


def _fragile(x: FloatArray, p: FloatArray, alpha: float, resolution: ArrayLike) -> BoolArray:
    """Whether one seed carries over 80% of |d|, or leaving one out moves p above 2 alpha."""
    magnitude = np.abs(x)
    total = magnitude.sum(axis=1)
    share = np.divide(magnitude.max(axis=1), total, out=np.zeros_like(total), where=total > 0)
    worst = np.zeros_like(p)
    for seed in range(x.shape[1]):
        left_out = paired_t(np.delete(x, seed, axis=1), resolution)[1]
        worst = np.fmax(worst, left_out)  # a constant rest has no p and moves nothing
    unsure: BoolArray = (p < alpha) & ((share > 0.8) | (worst > 2 * alpha))
    return unsure
