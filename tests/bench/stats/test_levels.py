"""False-positive rates of the tests under the null, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from bench.stats.intervals import t_interval
from bench.stats.permutation import sign_flip
from bench.stats.student import paired_t
from tests.bench.stats.worked import generator

pytestmark = pytest.mark.slow

CELLS = 20_000
SLACK = 4 * (0.05 * 0.95 / CELLS) ** 0.5
"""Four binomial standard errors at the nominal level: .0062."""


def draw(law: str, n: int) -> np.ndarray:
    rng = generator()
    if law == "normal":
        return rng.normal(size=(CELLS, n))
    if law == "t3":
        return rng.standard_t(3, size=(CELLS, n))
    if law == "uniform":
        return rng.uniform(-1, 1, size=(CELLS, n))
    if law == "lognormal-difference":
        return rng.lognormal(size=(CELLS, n)) - rng.lognormal(size=(CELLS, n))
    return (rng.binomial(20, 0.9, (CELLS, n)) - rng.binomial(20, 0.9, (CELLS, n))) / 20


@pytest.mark.parametrize(
    ("law", "n", "rate"),
    [
        ("normal", 3, 0.049),
        ("normal", 5, 0.051),
        ("normal", 10, 0.050),
        ("t3", 5, 0.038),
        ("uniform", 3, 0.078),
        ("uniform", 5, 0.067),
        ("lognormal-difference", 5, 0.026),
    ],
)
def test_level_of_the_paired_t_test(law: str, n: int, rate: float) -> None:
    _, p = paired_t(draw(law, n))
    assert (p < 0.05).mean() == pytest.approx(rate, abs=SLACK)


@pytest.mark.parametrize(
    ("law", "n", "rate"),
    [
        ("normal", 8, 0.047),
        ("normal", 10, 0.049),
        ("t3", 8, 0.048),
        ("uniform", 10, 0.052),
        ("lognormal-difference", 10, 0.048),
        ("binomial-difference", 8, 0.023),
    ],
)
def test_level_of_the_sign_flip_test(law: str, n: int, rate: float) -> None:
    p = sign_flip(draw(law, n), rng=generator())
    assert (p < 0.05).mean() == pytest.approx(rate, abs=SLACK)


@pytest.mark.parametrize("n", [5, 8, 14])
def test_sign_flip_p_is_never_too_small_under_exchangeability(n: int) -> None:
    """Exactness: P(p <= a) <= a at every level, for a symmetric law."""
    p = sign_flip(draw("t3", n)[:4_000], rng=generator())
    for level in (0.01, 0.05, 0.1, 0.25):
        assert (p <= level).mean() <= level + 4 * (level * (1 - level) / 4_000) ** 0.5


def test_coverage_of_the_t_interval_at_three_seeds() -> None:
    x = draw("normal", 3)[:4_000]
    intervals = [t_interval(row) for row in x]
    covered = np.mean([interval.lo <= 0 <= interval.hi for interval in intervals])
    assert covered == pytest.approx(0.95, abs=0.014)  # four standard errors
