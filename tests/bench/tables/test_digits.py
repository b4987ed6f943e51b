"""How numbers are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tables.digits import count, decimals_of, difference, number, p_value, signed


@pytest.mark.parametrize(
    ("spread", "value", "decimals"),
    [
        (0.0087, 0.4, 4),
        (0.096, 0.4, 3),
        (12.0, 512.0, 0),
        (1e-9, 0.4, 6),
        (None, 0.4123, 4),
        (None, 41.23, 2),
        (0.0, 4123.0, 0),
        (None, 0.0, 3),
    ],
)
def test_decimals_follow_the_spread_and_else_the_value(
    spread: float | None, value: float, decimals: int
) -> None:
    assert decimals_of(spread, value) == decimals


def test_digits_asked_for_win() -> None:
    assert decimals_of(0.01, 0.5, digits=1) == 1


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.40919, 4, "0.4092"),
        (512.4, 0, "512"),
        (-0.00001, 3, "0.000"),
        (3.2e-7, 6, "3.20e-07"),
        (0.0, 2, "0.00"),
    ],
)
def test_numbers(value: float, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.041, "+0.041"), (-0.041, "-0.041"), (0.0001, "0.000"), (-0.0001, "0.000")],
)
def test_differences_carry_their_sign_unless_written_as_zero(value: float, text: str) -> None:
    assert signed(value, 3) == text


@pytest.mark.parametrize(
    ("value", "ends", "decimals", "text"),
    [
        (-0.01, (-0.0251, 0.005), 4, "-0.0100 [-0.0251, +0.0050]"),
        (0.5, None, 2, "+0.50"),
        (0.0, (-0.003, 0.003), 3, "0.000 [-0.003, +0.003]"),
        # the second end alone would need powers of ten
        (-1.0e-5, (-2.5e-5, 4.69e-6), 6, "-1.00e-05 [-2.50e-05, +4.69e-06]"),
        (0.0, (-3.1e-7, 3.1e-7), 6, "0 [-3.10e-07, +3.10e-07]"),
    ],
)
def test_a_difference_and_its_interval_are_in_one_notation(
    value: float, ends: tuple[float, float] | None, decimals: int, text: str
) -> None:
    assert difference(value, ends, decimals) == text


@pytest.mark.parametrize(("value", "text"), [(1048576.0, "1048576"), (0.12345, "0.1235")])
def test_counts(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "<1e-4"), (9.9e-5, "<1e-4"), (1e-4, "0.0001"), (0.03123, "0.0312"), (1.0, "1")],
)
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text


@given(st.floats(0, 1))
def test_a_p_is_never_written_as_zero(p: float) -> None:
    text = p_value(p)
    assert text == "<1e-4" or float(text) > 0
