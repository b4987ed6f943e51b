"""Holm's correction of many families at once, against known values and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.corrections import adjust
from bench.stats.holm import holm


def test_four_tests() -> None:
    """(.01, .04, .03, .005): .005 x 4, .01 x 3, .03 x 2, and .04 x 1 raised to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-15)


@given(arrays(np.float64, (2, 6), elements=st.floats(0, 1)), st.integers(0, 5))
def test_each_family_is_that_of_statsmodels_with_the_others_at_1(
    p: np.ndarray, others: int
) -> None:
    found = holm(p, others)
    for family, raw in zip(found, p, strict=True):
        padded = adjust(np.concatenate([raw, np.ones(others)]), "holm")
        np.testing.assert_allclose(family, padded[:6], rtol=1e-14)
        assert (family >= raw).all()


@given(arrays(np.float64, 6, elements=st.floats(0, 1)), st.permutations(range(6)))
def test_the_order_of_tests_is_irrelevant(p: np.ndarray, order: list[int]) -> None:
    np.testing.assert_allclose(holm(p[order]), holm(p)[order], rtol=1e-14)


@pytest.mark.parametrize("p", [[np.nan], [-0.1], [1.1]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="within"):
        holm(p)


def test_an_empty_family_stays_empty() -> None:
    assert holm([], 3).size == 0
