"""The decision on P(A > B), and the number of pairs that it takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.outperformance import LEAST_PAIRS, outperformance, pairs_required
from tests.bench.stats.worked import generator


def signs(wins: int, losses: int, ties: int = 0) -> np.ndarray:
    return np.array([0.1] * wins + [-0.1] * losses + [0.0] * ties)


def test_noethers_number_of_pairs() -> None:
    """((1.6449 + 1.6449) / (sqrt(6) .25))^2 = 28.86, so 29 (Noether 1987)."""
    assert pairs_required() == LEAST_PAIRS == 29


def test_a_smaller_share_or_error_takes_more_pairs() -> None:
    """gamma = .6: (3.2897 / (2.4495 .1))^2 = 180.4; rates of 1%: (4.6527 / .61237)^2 = 57.7."""
    assert pairs_required(0.6) == 181
    assert pairs_required(alpha=0.01, beta=0.01) == 58


@pytest.mark.parametrize("wrong", [(0.5, 0.05), (1.0, 0.05), (0.75, 0.5), (0.75, 0.0)])
def test_shares_and_rates_are_checked(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="gamma"):
        pairs_required(wrong[0], alpha=wrong[1])


@pytest.mark.parametrize(
    ("wins", "meaning"),
    [(14, "not significant"), (19, "not significant"), (25, "meaningful"), (29, "meaningful")],
)
def test_the_decision_at_the_least_number_of_pairs(wins: int, meaning: str) -> None:
    """19/29 = .66 with a binomial standard error of .09, whose 2.5% quantile is 14/29 = .48; 25/29
    = .86 with one of .06.
    """
    found = outperformance(signs(wins, 29 - wins), rng=generator())
    assert found.value == wins / 29
    assert found.meaning == meaning


def test_a_sure_but_small_share_is_not_meaningful() -> None:
    """600 of 1,000: the interval .6 +- .03 lies above one half and below three quarters."""
    found = outperformance(signs(600, 400), rng=generator())
    assert found.meaning == "not meaningful"
    assert (found.interval.lo, found.interval.hi) == pytest.approx((0.570, 0.630), abs=0.004)


def test_the_interval_is_the_binomial_one() -> None:
    """Resampling 40 wins of 60 draws binomial counts: their quantiles are exact."""
    found = outperformance(signs(40, 20), rng=generator())
    exact = stats.binom.ppf([0.025, 0.975], 60, 40 / 60) / 60
    # 9,999 draws move a quantile by at most one count
    assert (found.interval.lo, found.interval.hi) == pytest.approx(tuple(exact), abs=1.01 / 60)


def test_ties_count_half() -> None:
    assert outperformance(signs(20, 5, ties=10), rng=generator()).value == 25 / 35


def test_fewer_pairs_are_not_decided() -> None:
    with pytest.raises(ValueError, match="at least 29"):
        outperformance(signs(28, 0), rng=generator())


def test_the_same_generator_gives_the_same_interval() -> None:
    d = generator().normal(0.3, 1, size=40)
    assert outperformance(d, rng=generator()) == outperformance(d, rng=generator())
