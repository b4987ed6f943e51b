"""Two one-sided tests against a worked example and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.weightstats import ttost_paired

from bench.stats.equivalence import tost
from tests.bench.stats.worked import D


@pytest.mark.parametrize(("margin", "p"), [(0.02, 0.031404), (0.03, 0.00272856)])
def test_five_pairs(margin: float, p: float) -> None:
    found = tost(D, margin)
    assert found.p == pytest.approx(p, rel=2e-5)
    assert found.equivalent


def test_a_margin_inside_the_interval_proves_nothing() -> None:
    found = tost(D, 0.015)
    assert found.interval.hi > 0.015
    assert found.p > 0.05
    assert not found.equivalent


@given(
    arrays(np.float64, 6, elements=st.floats(-1, 1, allow_subnormal=False)), st.floats(0.05, 2.0)
)
def test_agrees_with_statsmodels_and_with_its_interval(d: np.ndarray, margin: float) -> None:
    assume(np.ptp(d) > 1e-3)
    p = ttost_paired(d, np.zeros_like(d), -margin, margin)[0]
    found = tost(d, margin)
    assert found.p == pytest.approx(p, rel=1e-7, abs=1e-12)
    assume(abs(p - 0.05) > 1e-9)
    assert found.equivalent == (p < 0.05)


def test_constant_differences_need_enough_seeds() -> None:
    """Without spread the one-sided sign-flip p is 1/2^n: .125 at n = 3, .03125 at n = 5."""
    assert not tost([0.01] * 3, 0.1).equivalent
    assert tost([0.01] * 5, 0.1).equivalent
    assert tost([0.2] * 5, 0.1).p == 1.0


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_must_be_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        tost(D, margin)
