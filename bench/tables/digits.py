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
    if _hidden(value, decimals):
        return f"{value:.2e}"
    return f"{value + 0.0:.{decimals}f}" if round(value, decimals) else f"{0:.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """The value with its sign; no sign if it is written as zero."""
    text = number(value, decimals)
    zero = not any(character in "123456789" for character in text)
    return text if zero or text.startswith("-") else f"+{text}"


def difference(value: float, ends: tuple[float, float] | None, decimals: int) -> str:
    """A difference and its interval, all three in powers of ten where one of them has to be."""
    found = [value, *(ends or ())]
    if any(_hidden(each, decimals) for each in found):
        texts = [f"{each:+.2e}" if each else "0" for each in found]
    else:
        texts = [signed(each, decimals) for each in found]
    return f"{texts[0]} [{', '.join(texts[1:])}]" if ends else texts[0]


def count(value: float) -> str:
    """An exact count in full, anything else with four significant digits."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return number(value, decimals_of(None, value))


def p_value(p: float) -> str:
    """A p-value with three significant digits, ``<1e-4`` below that, never 0."""
    return "<1e-4" if p < SMALLEST_P else f"{p:.3g}"


def _hidden(value: float, decimals: int) -> bool:
    """Whether so many decimals would show less than two digits of a number."""
    return value != 0 and abs(value) < 10.0 ** (1 - MOST_DECIMALS) and decimals >= MOST_DECIMALS


def _within(decimals: int) -> int:
    return max(0, min(MOST_DECIMALS, decimals))
