"""The signs of a table, and what stands for them where a stream has only ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from bench.compare.model import Mark

Sign: TypeAlias = Mark | Literal["all-equal"]
"""What may stand after the text of a cell: the marks of a verdict, and what a compact cell
has no room to say in words."""

UNICODE: Mapping[Sign, str] = {
    "det": "det",
    "all-equal": "≡",
    "partial": "!",
    "better": "†",
    "worse": "‡",
    "fragile": "~",
    "within-margin": "(<tol)",
    "not-separated": "=",
}
"""Each mark's sign."""

_ASCII = str.maketrans(
    {
        "†": "+",
        "‡": "-",
        "±": "+-",
        "↓": "(lower)",
        "↑": "(higher)",
        "≡": "==",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
        "·": "-",
        "µ": "u",
        "²": "2",
        "χ": "chi",
        "─": "-",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)

MEANINGS: Mapping[Sign, str] = {
    "det": "one value that holds for every seed",
    "all-equal": "the same value on every seed",
    "partial": "some seeds failed, its own or those of what it is compared with; those left are "
    "a biased sample, never shown as best",
    "better": "significantly better",
    "worse": "significantly worse",
    "fragile": "significance hangs on one seed",
    "within-margin": "significant, but within the margin that does not matter",
    "not-separated": "not separated from the best",
}
"""Each mark in words, for the legend."""


def to_ascii(text: str) -> str:
    """The text with its signs replaced by ASCII ones; other characters stay."""
    return text.translate(_ASCII)
