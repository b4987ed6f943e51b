"""One-sided tests against a margin: a worked example, scipy, statsmodels, and their guards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.power import TTestPower

from bench.stats.noninferiority import (
    one_sided_power,
    one_sided_tests,
    seeds_to_clear,
    seeds_to_confirm,
)
from tests.bench.stats.worked import A, B

DELTA = 0.02 * float(B.mean())
SAME = np.array([0.406, 0.416, 0.398, 0.410, 0.417])
WORSE = np.array([0.430, 0.438, 0.425, 0.431, 0.445])
NOISY = np.array([0.420, 0.409, 0.412, 0.402, 0.431])


def test_four_runs_against_one_baseline_give_the_known_p_values() -> None:
    """Losses against B (mean .4092, margin 2 % = .008184), computed with scipy's one-sided t."""
    found = one_sided_tests([SAME - B, WORSE - B, NOISY - B, A - B], DELTA)
    assert pytest.approx(0.008184, abs=1e-12) == DELTA
    assert found.mean == pytest.approx([0.0002, 0.0246, 0.0056, -0.0112], abs=1e-12)
    assert found.sd == pytest.approx([0.0010954, 0.0030496, 0.0119917, 0.0076942], abs=5e-8)
    assert found.p_worse == pytest.approx([0.35200, 2.7769e-5, 0.17767, 0.98439], rel=3e-5)
    assert found.p_ni == pytest.approx([0.00004, 0.99986, 0.32755, 0.00244], abs=5e-6)
    assert found.p_improved[3] == pytest.approx(0.01561, abs=5e-6)


@given(
    arrays(np.float64, (3, 5), elements=st.floats(-1, 1, allow_subnormal=False)),
    st.floats(0.0, 0.5),
)
def test_every_p_is_that_of_scipy(g: np.ndarray, margin: float) -> None:
    assume((np.ptp(g, axis=1) > 1e-3).all())
    found = one_sided_tests(g, margin)
    strict = one_sided_tests(g, margin, strict=True)

    def p(null: float, alternative: str) -> np.ndarray:
        tested: np.ndarray = stats.ttest_1samp(g, null, axis=1, alternative=alternative).pvalue
        return tested

    # both evaluate the same t distribution; the mean's last bits differ
    close = {"rtol": 1e-7, "atol": 1e-12}
    np.testing.assert_allclose(found.p_worse, p(0, "greater"), **close)
    np.testing.assert_allclose(found.p_ni, p(margin, "less"), **close)
    np.testing.assert_allclose(found.p_improved, p(0, "less"), **close)
    np.testing.assert_allclose(strict.p_worse, p(margin, "greater"), **close)
    np.testing.assert_array_equal(strict.p_ni, found.p_ni)


def test_a_constant_change_has_no_p_whatever_its_rounding() -> None:
    """The mean of three 0.1 is not 0.1 in floating point, and so numpy's sd of them is not 0."""
    assert np.full(3, 0.1).std(ddof=1) > 0
    found = one_sided_tests([[0.1] * 3, [0.0] * 3, [0.1, 0.1, 0.2]], 0.01)
    assert found.undefined.tolist() == [True, True, False]
    for p in (found.p_worse, found.p_ni, found.p_improved):
        assert np.isnan(p).tolist() == [True, True, False]


def test_the_step_of_a_metric_bounds_its_spread_from_below() -> None:
    """Five equal accuracies of 20 trials each: sd is 0.05 / sqrt(6), not 0."""
    found = one_sided_tests([[0.05] * 5], 0.01, resolution=0.05)
    assert found.sd[0] == pytest.approx(0.05 / np.sqrt(6), rel=1e-12)
    assert found.p_worse[0] == pytest.approx(stats.t.sf(np.sqrt(6) * np.sqrt(5), 4), rel=1e-9)


def test_a_cell_does_not_depend_on_those_tested_with_it() -> None:
    together = one_sided_tests([SAME - B, NOISY - B], [DELTA, 0.001], resolution=[0.0, 0.01])
    alone = one_sided_tests(NOISY - B, 0.001, resolution=0.01)
    assert together.p_ni[1] == alone.p_ni[0]
    assert together.sd[1] == alone.sd[0]


@pytest.mark.parametrize(
    ("g", "margin", "said"),
    [
        ([[0.1]], 0.1, "2 pairs"),
        ([[0.1, 0.2]], -0.1, "negative"),
        ([[0.1, np.nan]], 0.1, "finite"),
        ([[0.1, 0.2]], np.nan, "negative"),
    ],
)
def test_what_cannot_be_tested_is_refused(g: list[list[float]], margin: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        one_sided_tests(g, margin)


@pytest.mark.parametrize(
    ("n", "effect"),
    [(3, 2.297), (4, 1.650), (5, 1.359), (6, 1.186), (8, 0.978), (10, 0.853), (15, 0.675),
     (20, 0.577), (30, 0.465)],
)  # fmt: skip
def test_power_is_80_percent_at_the_known_one_sided_effects(n: int, effect: float) -> None:
    """Effects from statsmodels' solver, given to 3 decimals."""
    assert one_sided_power(effect - 5e-4, n) < 0.8 < one_sided_power(effect + 5e-4, n)


@given(st.floats(0.05, 3.0), st.integers(3, 60), st.sampled_from([0.05, 0.025, 0.0025]))
def test_power_agrees_with_statsmodels(effect: float, n: int, alpha: float) -> None:
    reference = TTestPower().power(effect, n, alpha, alternative="larger")
    assert one_sided_power(effect, n, alpha=alpha) == pytest.approx(reference, abs=1e-8)


def test_power_has_its_level_at_no_effect_and_refuses_what_is_no_level() -> None:
    assert one_sided_power(0.0, 5) == pytest.approx(0.05, abs=1e-12)
    for n, alpha in ((1, 0.05), (5, 0.0), (5, 0.5)):
        with pytest.raises(ValueError, match="need n"):
            one_sided_power(1.0, n, alpha=alpha)


def test_advice_on_seeds_of_the_worked_example() -> None:
    """NOISY: 15 seeds to clear, 47 to confirm among 4 cells, 30 for this cell alone."""
    tested = one_sided_tests(NOISY - B, DELTA)
    sd, worse = float(tested.sd[0]), float(tested.mean[0])
    assert seeds_to_clear(DELTA, sd) == 15
    assert seeds_to_confirm(worse, sd, m=4) == 47
    assert seeds_to_confirm(worse, sd) == 30


@given(st.floats(0.15, 5.0), st.sampled_from([1, 4, 20]))
def test_the_advised_number_is_the_least_that_has_the_power(effect: float, m: int) -> None:
    n = seeds_to_confirm(effect, 1.0, m=m)
    assume(n is not None)
    assert n is not None
    assert one_sided_power(effect, n, alpha=0.05 / m) >= 0.8
    assert n == 3 or one_sided_power(effect, n - 1, alpha=0.05 / m) < 0.8


def test_advice_stops_at_500_seeds_and_where_nothing_is_worse() -> None:
    assert seeds_to_clear(0.001, 1.0) is None
    assert seeds_to_clear(0.0, 1.0) is None
    assert seeds_to_confirm(-0.1, 1.0) is None
    assert seeds_to_clear(100.0, 1.0) == 3


def test_500_seeds_are_still_advised() -> None:
    """Power .8 at .05 takes an effect of .11135 with 500 pairs, by a root of the power."""
    assert seeds_to_clear(0.1114, 1.0) == 500
    assert seeds_to_clear(0.1113, 1.0) is None
