"""Events of a universe: who did what, where and when, with values that come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memories.base import InvalidParameter
from tasks.episodic.templates import TIME

N_DETAILS = 30
"""Details that a content may have."""
DRAWS_PER_EVENT = 3000
"""Draws after which a universe counts as exhausted, for each event wanted."""
FIRST_BLOCK, LARGEST_BLOCK = 1024, 2**18
"""Draws made at a time; the events do not depend on it."""
ATTAINABLE = 0.95
"""Share of the expected number of distinct events that may be asked for."""

Distribution = Literal["geometric", "uniform"]
Order = Literal["drawn", "chronological"]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """N events in the order of their presentation.

    Attributes:
        codes: Values of time, place, entity and content, int [N, 4]; a time is its chronological
            rank.
        details: int [N].
    """

    codes: Integers
    details: Integers


@dataclass(frozen=True)
class EventSampler:
    """The law that events are drawn from, after Huet, Ben Houidi & Rossi (2025).

    The four attributes are independent; value i of each has probability proportional to
    p (1-p)^i, or all the same. Of the draws, in their order, the first of each (time, entity)
    is kept, and of those the first of each (time, place): an entity is at one place at a time and
    a place sees one event at a time. How popular a time is has nothing to do with when it is.

    Attributes:
        universe: Values per attribute U.
        distribution: ``geometric`` or ``uniform``.
        p: Success probability of the geometric distribution.
        order: Presentation: as ``drawn``, or ``chronological``.
    """

    universe: int = 100
    distribution: Distribution = "geometric"
    p: float = 0.1
    order: Order = "drawn"

    def popularity(self) -> NDArray[np.float64]:
        """Probability of each value [U], the most popular one first."""
        rank = np.arange(self.universe)
        weight = (1 - self.p) ** rank if self.distribution == "geometric" else 1.0 + 0 * rank
        share: NDArray[np.float64] = weight / weight.sum()
        return share

    def require(self, n: int) -> None:
        """Nothing, if the universe is known to hold n distinct events.

        The expectation is taken step by step: K entities at a time of probability P among T draws
        number sum_e 1 - (1 - P P_e)^T, the distinct places among them sum_s 1 - (1 - P_s)^K.

        Raises:
            InvalidParameter: If so many events cannot be expected from 3,000 draws for each.
        """
        share = self.popularity()
        draws = DRAWS_PER_EVENT * n
        entities = (1 - (1 - share[:, None] * share) ** draws).sum(1)
        expected = (1 - (1 - share) ** entities[:, None]).sum()
        if n > ATTAINABLE * expected:
            raise self._exhausted(n, int(ATTAINABLE * expected))

    def draw(self, rng: np.random.Generator, n: int) -> Events:
        """So many events.

        Raises:
            InvalidParameter: If 3,000 draws for each of them did not give so many.
        """
        chronology = rng.permutation(self.universe)
        details = rng.integers(N_DETAILS, size=n)
        codes = self._distinct(rng, n)
        codes[:, TIME] = chronology[codes[:, TIME]]
        if self.order == "chronological":
            codes = codes[np.argsort(codes[:, TIME], kind="stable")]
        return Events(codes, details)

    def _distinct(self, rng: np.random.Generator, n: int) -> Integers:
        """The first n draws [n, 4] that no earlier one excludes.

        Whether a draw survives depends on earlier ones alone, and a draw takes four numbers of
        the stream: so the size of the blocks changes nothing.
        """
        share = np.cumsum(self.popularity())
        edges = share[:-1] / share[-1]
        entity_seen = np.zeros(self.universe**2, dtype=bool)
        place_seen = np.zeros(self.universe**2, dtype=bool)
        kept: list[Integers] = []
        found, drawn, block = 0, 0, FIRST_BLOCK
        while found < n:
            if drawn >= DRAWS_PER_EVENT * n:
                raise self._exhausted(n, found)
            uniform = rng.random((block, 4))
            time = np.searchsorted(edges, uniform[:, 0], side="right")
            entity = np.searchsorted(edges, uniform[:, 2], side="right")
            new = _first(time * self.universe + entity, entity_seen)
            uniform, time, entity = uniform[new], time[new], entity[new]
            place = np.searchsorted(edges, uniform[:, 1], side="right")
            new = _first(time * self.universe + place, place_seen)
            content = np.searchsorted(edges, uniform[new, 3], side="right")
            kept.append(np.stack([time[new], place[new], entity[new], content], axis=1))
            found, drawn = found + len(new), drawn + block
            block = min(2 * block, LARGEST_BLOCK)
        return np.concatenate(kept)[:n]

    def _exhausted(self, n: int, possible: int) -> InvalidParameter:
        return InvalidParameter(
            "events",
            f"a {self.distribution} universe of {self.universe} values gives about {possible} "
            f"distinct events, got {n}",
            "raise universe, or use distribution uniform",
        )


def _first(pairs: Integers, seen: NDArray[np.bool_]) -> Integers:
    """Positions of pairs that occur for the first time; `seen` learns of them."""
    candidates = np.flatnonzero(~seen[pairs])
    values, position = np.unique(pairs[candidates], return_index=True)
    seen[values] = True
    first: Integers = np.sort(candidates[position])
    return first
