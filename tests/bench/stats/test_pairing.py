"""Pairs by seed and the differences behind every paired statistic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.pairing import differences, pair

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


def test_pairs_are_the_common_seeds_in_ascending_order() -> None:
    pairs = pair([3, 1, 2], [30.0, 10.0, 20.0], [2, 7, 3], [2.0, 7.0, 3.0], "lower")
    assert pairs.seeds.tolist() == [2, 3]
    assert pairs.a.tolist() == [20.0, 30.0]
    assert pairs.b.tolist() == [2.0, 3.0]
    assert pairs.unpaired == 2  # seed 1 of one side, seed 7 of the other


def test_disjoint_seeds_leave_no_pairs() -> None:
    pairs = pair([0, 1], [1.0, 2.0], [2, 3], [3.0, 4.0], "lower")
    assert (pairs.n, pairs.unpaired, pairs.scale) == (0, 4, 0.0)


@pytest.mark.parametrize(
    ("direction", "expected"), [("lower", [0.5, -1.0]), ("higher", [-0.5, 1.0])]
)
def test_a_difference_is_positive_where_a_is_better(direction: str, expected: list[float]) -> None:
    assert differences([1.0, 3.0], [1.5, 2.0], direction).tolist() == expected


def test_equal_decimals_give_equal_differences() -> None:
    """0.3 - 0.2 and 0.2 - 0.1 are both 0.1, but not in binary: ranks would see no tie."""
    assert 0.3 - 0.2 != 0.2 - 0.1
    d = differences([0.2, 0.1, 10.1], [0.3, 0.2, 10.2], "lower")
    assert d[0] == d[1] == d[2] == 0.1


def test_twelve_digits_of_the_values_are_kept() -> None:
    """A step in the 12th digit of values near 1 survives; one in the 13th does not."""
    assert differences([1.0], [1.0 + 1e-11], "lower")[0] == pytest.approx(1e-11, rel=1e-9)
    assert differences([1.0], [1.0 + 1e-12], "lower")[0] == 0.0


@given(arrays(np.float64, 6, elements=FINITE), arrays(np.float64, 6, elements=FINITE))
def test_rounding_moves_a_difference_by_less_than_one_step_of_the_values(
    a: np.ndarray, b: np.ndarray
) -> None:
    scale = np.maximum(np.abs(a), np.abs(b))
    assert (np.abs(differences(a, b, "lower") - (b - a)) <= 1e-11 * scale).all()


@given(arrays(np.float64, 6, elements=FINITE), arrays(np.float64, 6, elements=FINITE))
def test_swapping_the_memories_flips_the_sign(a: np.ndarray, b: np.ndarray) -> None:
    assert (differences(a, b, "higher") == -differences(b, a, "higher")).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        pair([0, 1], [1.0, value], [0, 1], [1.0, 2.0], "lower")


def test_a_seed_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each seed"):
        pair([0, 0], [1.0, 2.0], [0, 1], [1.0, 2.0], "lower")


def test_correlation_of_a_constant_side_is_undefined() -> None:
    assert pair([0, 1, 2], [1.0, 1.0, 1.0], [0, 1, 2], [1.0, 2.0, 3.0], "lower").correlation is None
