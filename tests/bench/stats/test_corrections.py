"""Corrections against a worked example, their definitions and their laws."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from bench.stats.corrections import CORRECTIONS, Correction, adjust

P = [0.01, 0.04, 0.03, 0.005]
FAMILY = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _nothing_collected() -> Iterator[None]:
    """statsmodels collects garbage in each correction: a fifth of a second in a long session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)
        yield


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("holm", [0.03, 0.06, 0.06, 0.02]),
        ("hommel", [0.03, 0.04, 0.04, 0.02]),
        ("bh", [0.02, 0.04, 0.04, 0.02]),
        ("bonferroni", [0.04, 0.16, 0.12, 0.02]),
        ("none", P),
    ],
)
def test_four_p_values(method: Correction, expected: list[float]) -> None:
    np.testing.assert_allclose(adjust(P, method), expected, rtol=1e-12)


def test_demsars_comparison_with_a_control() -> None:
    """p = .01917 .60841 .01572 become .04716 .60841 .04716 (Demsar 2006)."""
    np.testing.assert_allclose(
        adjust([0.01917, 0.60841, 0.01572]), [0.04716, 0.60841, 0.04716], atol=5e-6
    )


@given(FAMILY)
def test_holm_by_its_definition(p: list[float]) -> None:
    """The i-th smallest of m is multiplied by m - i, then made non-decreasing and cut at 1."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * np.array(p)[order])
    expected = np.empty(len(p))
    expected[order] = np.minimum(steps, 1)
    np.testing.assert_allclose(adjust(p), expected, rtol=1e-12)


@given(FAMILY)
def test_holm_is_that_of_statsmodels_to_the_last_bit(p: list[float]) -> None:
    np.testing.assert_array_equal(adjust(p), multipletests(p, method="holm")[1])


@pytest.mark.parametrize("method", CORRECTIONS)
@given(p=FAMILY, data=st.data())
def test_adjusted_p_is_monotone_never_smaller_and_free_of_order(
    method: Correction, p: list[float], data: st.DataObject
) -> None:
    found = adjust(p, method)
    assert (found >= np.array(p) - 1e-15).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= -1e-12).all()
    order = data.draw(st.permutations(range(len(p))))
    np.testing.assert_allclose(adjust([p[i] for i in order], method), found[list(order)])


@given(FAMILY)
def test_holm_never_exceeds_bonferroni(p: list[float]) -> None:
    assert (adjust(p, "holm") <= adjust(p, "bonferroni") + 1e-15).all()


def test_an_empty_family_has_nothing_to_adjust() -> None:
    assert adjust([]).size == 0


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_nan_is_refused_instead_of_counted(bad: float) -> None:
    with pytest.raises(ValueError, match="p-values"):
        adjust([0.01, bad, 0.03])
