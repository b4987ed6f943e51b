"""Margins of equivalence as they are typed."""

from __future__ import annotations

from collections.abc import Iterable

from bench import tolerances
from bench.tolerances import Tolerance


def parsed(words: Iterable[str]) -> dict[str, Tolerance]:
    """Margins by metric: ``METRIC=0.01`` in its units, or ``METRIC=rel:0.02``.

    Relative ones are shares of the mean that is compared with.

    Raises:
        MembError: All words that say nothing of the kind.
    """
    return tolerances.parsed(map(_with_kind, words), "--margin")


def _with_kind(word: str) -> str:
    """The word with a plain number written as one in the metric's units."""
    metric, sign, value = word.partition("=")
    try:
        float(value)
    except ValueError:
        return word
    return f"{metric}{sign}abs:{value}"
