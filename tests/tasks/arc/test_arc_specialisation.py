"""Mutual information and load of banks, against closed forms and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from tasks.arc.specialisation import (
    Load,
    chance_information,
    group_of_bank,
    normalised_mutual_information,
)

FAMILY = np.repeat(np.arange(24), 10)


def test_banks_that_are_the_groups_share_all_of_them_and_part_of_the_families() -> None:
    """H(B) = H(G) = ln 4 and B is a function of the family, so that I(F; B) = ln 4 and
    NMI(F; B) = 2 ln 4 / (ln 24 + ln 4) = 0.6074.
    """
    bank = FAMILY // 6
    assert normalised_mutual_information(bank, bank) == pytest.approx(1, abs=1e-12)
    relabelled = np.array([2, 0, 3, 1])[bank]
    assert normalised_mutual_information(FAMILY // 6, relabelled) == pytest.approx(1, abs=1e-12)
    expected = 2 * math.log(4) / (math.log(24) + math.log(4))
    assert normalised_mutual_information(FAMILY, bank) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(0.6074, abs=5e-5)


def test_a_constant_bank_and_independent_banks_share_nothing() -> None:
    assert normalised_mutual_information(FAMILY, np.zeros_like(FAMILY)) == 0
    first, second = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    assert normalised_mutual_information(first, second) == pytest.approx(0, abs=1e-12)


labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60)


@given(labels)
def test_mutual_information_is_that_of_scikit_learn_wherever_something_varies(
    pairs: list[tuple[int, int]],
) -> None:
    """scikit-learn calls two constants alike; here a constant shares nothing."""
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    seen = normalised_mutual_information(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert seen == 0
    else:
        expected = normalized_mutual_info_score(first, second, average_method="arithmetic")
        assert seen == pytest.approx(expected, abs=1e-9)


def test_the_zero_line_is_what_finite_samples_show_by_chance() -> None:
    """About (R - 1)(C - 1) / 2n of information for independent labels (Miller 1955): with 24
    families, 4 banks and 240 queries 69/480 = 0.14 nats of (ln 24 + ln 4)/2 = 2.28.
    """
    rng = np.random.default_rng(0)
    bank = rng.integers(0, 4, len(FAMILY))
    line = chance_information(FAMILY, bank, np.random.default_rng(1))
    assert line == pytest.approx(0.144 / 2.28, abs=0.02)
    assert chance_information(FAMILY, FAMILY // 6, np.random.default_rng(1)) < 0.1


def test_an_even_load_and_a_single_bank() -> None:
    """f = (1, 0, 0, 0): entropy 0, standard deviation sqrt(3)/4 over the mean 1/4."""
    even = Load.of(np.full(6, 1 / 6))
    assert (even.entropy, even.variation) == (pytest.approx(1), pytest.approx(0, abs=1e-12))
    assert even.largest == pytest.approx(1 / 6)
    one = Load.of(np.array([1.0, 0, 0, 0]))
    assert (one.entropy, one.largest) == (0, 1)
    assert one.variation == pytest.approx(math.sqrt(3))
    assert Load.of(np.array([1.0])) == Load(1.0, 0.0, 1.0)


def test_each_bank_gets_a_group_of_its_own_where_there_are_as_many() -> None:
    """Bank 0 sees mostly group 1; bank 1 sees group 1 as well, yet must take another."""
    groups = np.array([1, 1, 1, 0, 1, 1, 0])
    banks = np.array([0, 0, 0, 0, 1, 1, 1])
    assert group_of_bank(banks, groups, 2, 2).tolist() == [1, 0]


def test_banks_of_another_number_take_the_group_they_see_most() -> None:
    groups, banks = np.array([1, 1, 0, 2, 2, 0]), np.array([0, 0, 0, 1, 1, 2])
    assert group_of_bank(banks, groups, 3, 4).tolist() == [1, 2, 0]
    assert group_of_bank(banks, groups, 5, 3).tolist() == [1, 2, 0, 0, 0]
