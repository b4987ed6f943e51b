"""The signs of a table, and what stands for them where a stream has only ASCII."""

from __future__ import annotations

from collections.abc import Mapping

from bench.compare.model import Mark

UNICODE: Mapping[Mark, str] = {
    "better": "†",
    "worse": "‡",
    "fragile": "~",
    "within-margin": "(<tol)",
    "partial": "!",
    "det": "det",
    "not-separated": "=",
}
"""Each mark's sign."""

_ASCII = str.maketrans({"†": "+", "‡": "-", "±": "+-", "↓": "(lower)", "↑": "(higher)"})

MEANINGS: Mapping[Mark, str] = {
    "better": "better, after correction",
    "worse": "worse, after correction",
    "fragile": "significance hangs on one seed",
    "within-margin": "significant, but within the margin that does not matter",
    "partial": "some seeds failed, and those left are a biased sample, never shown as best",
    "det": "one value that holds for every seed",
    "not-separated": "not separated from the best",
}
"""Each mark in words, for the legend."""


def to_ascii(text: str) -> str:
    """The text with its signs replaced by ASCII ones; other characters stay."""
    return text.translate(_ASCII)
