"""Shared ranks against those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata

from bench.stats.ranking import average_ranks

FEW = st.sampled_from([-np.inf, -1.5, 0.0, -0.0, 2.0, 1e300, np.inf])
"""Few different values, so that most are tied."""


def test_equal_values_share_the_mean_of_their_places() -> None:
    np.testing.assert_array_equal(
        average_ranks([[3.0, 1.0, 3.0, 2.0], [5.0, 5.0, 5.0, 0.0]]),
        [[3.5, 1.0, 3.5, 2.0], [3.0, 3.0, 3.0, 1.0]],
    )


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=FEW))
def test_ranks_with_ties_are_scipys(values: np.ndarray) -> None:
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=-1))


@given(arrays.arrays(np.float64, (2, 3, 5), elements=st.floats(allow_nan=False)))
def test_ranks_are_scipys_whatever_the_axes_before_the_last(values: np.ndarray) -> None:
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=-1))


def test_nothing_has_no_ranks() -> None:
    assert average_ranks(np.empty((3, 0))).shape == (3, 0)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN has no rank"):
        average_ranks([1.0, np.nan])
