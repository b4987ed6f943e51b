"""Almost stochastic order, against cases by hand and the published implementation."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.dominance import almost_stochastic_order
from tests.bench.stats.worked import generator

FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]
VALUES = arrays(np.float64, 7, elements=st.floats(-10, 10, allow_subnormal=False))


def test_one_that_is_better_at_every_quantile_violates_nothing() -> None:
    found = almost_stochastic_order([x + 1 for x in FIVE], FIVE, "higher", rng=generator())
    assert found.violation == 0
    assert found.bound < 0.5
    back = almost_stochastic_order(FIVE, [x + 1 for x in FIVE], "higher", rng=generator())
    assert back.violation == 1
    assert back.bound == 1


def test_crossing_quantiles_share_the_squared_distance() -> None:
    """Sorted 0 2 3 4 6 against 1 2 3 4 4: behind by 1 at the lowest fifth, ahead by 2 at the
    highest, so eps = 1 / (1 + 4).
    """
    found = almost_stochastic_order([6, 4, 0, 2, 3], [1, 4, 2, 3, 4], "higher", rng=generator())
    assert found.violation == pytest.approx(0.2, rel=1e-12)


def test_losses_turn_the_order() -> None:
    a, b = [6.0, 4, 0, 2, 3], [1.0, 4, 2, 3, 4]
    found = almost_stochastic_order(a, b, "lower", rng=generator())
    assert found.violation == pytest.approx(0.8, rel=1e-12)


def test_sizes_may_differ() -> None:
    """Each value of the first stands for two of the second."""
    twice = [x for x in FIVE for _ in range(2)]
    assert almost_stochastic_order(FIVE, twice, "higher", rng=generator()).violation == 0.5


@given(VALUES, VALUES)
def test_both_orders_share_the_distance(a: np.ndarray, b: np.ndarray) -> None:
    forth = almost_stochastic_order(a, b, "higher", rng=generator()).violation
    back = almost_stochastic_order(b, a, "higher", rng=generator()).violation
    assert forth + back == pytest.approx(1, abs=1e-9)


def test_fewer_than_five_values_say_nothing() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        almost_stochastic_order(FIVE[:4], FIVE, "higher", rng=generator())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_the_published_implementation(seed: int) -> None:
    """It sums in steps of .0005 instead of integrating, so each of some 17 jumps errs by one."""
    pytest.importorskip("deepsig")
    reference = sys.modules["deepsig.aso"]
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.4, 1, 10), rng.normal(0, 1, 8)
    expected = reference.compute_violation_ratio(scores_a=a, scores_b=b, dt=0.0005)
    found = almost_stochastic_order(a, b, "higher", rng=rng)
    assert found.violation == pytest.approx(expected, abs=17 * 0.0005)


def test_the_bound_is_that_of_the_published_implementation() -> None:
    """Both are eps + 1.645 sd, of 1,000 resamples here and of 200 there, whose standard deviation
    errs by 5% and more, being that of a share.
    """
    pytest.importorskip("deepsig")
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.4, 1, 10), rng.normal(0, 1, 8)
    before = np.random.get_state()
    try:
        expected = sys.modules["deepsig.aso"].aso(
            a, b, seed=3, show_progress=False, num_bootstrap_iterations=200
        )
    finally:
        np.random.set_state(before)  # it draws from the global generator
    found = almost_stochastic_order(a, b, "higher", rng=generator())
    assert found.bound == pytest.approx(expected, abs=0.1)
