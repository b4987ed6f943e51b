"""What can be asked about events: which attributes are given, which one is asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

ATTRIBUTES = ("time", "place", "entity", "content")
"""What an event consists of, in the order of its blocks."""
TIME, PLACE, ENTITY, CONTENT = range(4)
DETAIL = 4
"""Asked alone, given all four attributes: what exactly happened."""
COMPANIONS = 5
"""Asked alone, given all four attributes: who else was there; only texts have them."""
ABSENT = -1
"""Stands for an attribute that a cue does not give."""


@dataclass(frozen=True)
class Template:
    """One kind of question.

    Attributes:
        cue: Attributes given.
        asked: The attribute asked, or `DETAIL` or `COMPANIONS`.
        scope: Whether all values are asked, the ``latest``, or the ``chronological`` list.
    """

    cue: tuple[int, ...]
    asked: int
    scope: Literal["all", "latest", "chronological"] = "all"


def _of_all_values() -> list[Template]:
    found = [
        Template(cue, asked)
        for size in (1, 2, 3)
        for cue in combinations(range(4), size)
        for asked in range(4)
        if asked not in cue
    ]
    everything = (TIME, PLACE, ENTITY, CONTENT)
    return [*found, Template(everything, COMPANIONS), Template(everything, DETAIL)]


TEXT_TEMPLATES: tuple[Template, ...] = (
    *_of_all_values(),
    *(Template((ENTITY,), asked, "latest") for asked in (TIME, PLACE, CONTENT)),
    *(Template((ENTITY,), asked, "chronological") for asked in (TIME, PLACE, CONTENT)),
)
"""The 36 templates of Huet, Ben Houidi & Rossi (2025)."""

TEMPLATES: tuple[Template, ...] = tuple(t for t in TEXT_TEMPLATES if t.asked != COMPANIONS)
"""The 35 of them that vectors can be asked: without secondary entities."""
