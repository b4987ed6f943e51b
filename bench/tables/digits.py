"""How numbers are written: as many digits as their spread supports, and p-values never as 0."""

from __future__ import annotations

import math

MOST_DECIMALS = 6
SMALLEST_P = 1e-4
"""A smaller p is written ``<1e-4``."""


def decimals_of(spread: float | None, value: float | None, digits: int | None = None) -> int:
    """Decimal places: two significant digits of the spread, else four of the value.

    Args:
        spread: Standard deviation over seeds; None or 0 if there is none.
        value: The number itself.
        digits: Decimal places asked for, which win.
    """
    if digits is not None:
        return digits
    if spread:
        return _within(1 - math.floor(math.log10(spread)))
    if value:
        return _within(3 - math.floor(math.log10(abs(value))))
    return 3


def number(value: float, decimals: int) -> str:
    """The value with that many decimals, or in powers of ten where they would hide it."""
    if value != 0 and abs(value) < 10.0 ** (1 - MOST_DECIMALS) and decimals >= MOST_DECIMALS:
        return f"{value:.2e}"
    return f"{value + 0.0:.{decimals}f}" if round(value, decimals) else f"{0:.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """The value with its sign; no sign if it is written as zero."""
    text = number(value, decimals)
    zero = not any(character in "123456789" for character in text)
    return text if zero or text.startswith("-") else f"+{text}"


def count(value: float) -> str:
    """An exact count in full, anything else with four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return number(value, decimals_of(None, value))


def p_value(p: float) -> str:
    """A p-value with three significant digits, ``<1e-4`` below that, never 0."""
    return "<1e-4" if p < SMALLEST_P else f"{p:.3g}"


def _within(decimals: int) -> int:
    return max(0, min(MOST_DECIMALS, decimals))
