"""Episodes: pairs of grids that follow one hidden rule, a function of seed and place alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tasks.arc.families import FAMILIES
from tasks.arc.family import Family, Parameters, primitive_id
from tasks.arc.grids import LARGEST_SIDE, Pair

EpisodeSplit: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[EpisodeSplit, ...] = ("train", "validation", "test")
"""The splits; their positions are part of every episode's seed."""
MOST_DEMOS = 3
"""Demonstration pairs that every episode has at least, and as many held-out ones."""
MOST_REJECTED = 400
"""Pairs that may be rejected before the parameters are drawn anew."""


@dataclass(frozen=True)
class ArcEpisode:
    """One rule and pairs that follow it.

    Attributes:
        family: Index of its family.
        number: Its place among the episodes of family and split.
        split: Which split it belongs to.
        parameters: What tells its rule from the others of the family.
        pairs: 2 k pairs, of which the first k are demonstrations and the others held out.
    """

    family: int
    number: int
    split: EpisodeSplit
    parameters: Parameters
    pairs: tuple[Pair, ...]

    @property
    def primitive(self) -> int:
        """A number that episodes share if and only if their rules are the same."""
        return primitive_id(self.family, self.parameters)


def episode(
    seed: int,
    split: EpisodeSplit,
    family: int,
    number: int,
    *,
    demos: int = MOST_DEMOS,
    families: Sequence[Family] = FAMILIES,
) -> ArcEpisode:
    """One episode, the same whatever others are drawn.

    A pair is rejected if the rule changes nothing, if a side exceeds 30, or if the family's own
    conditions fail; where that happens too often the rule's parameters are drawn anew.

    Args:
        seed: Seed of the data.
        split: Which split; no two share a stream.
        family: Index among `families`.
        number: Which episode of this family and split.
        demos: k; 2 k pairs are drawn.
        families: The families there are.
    """
    path = [seed, SPLITS.index(split), family, number]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(path)))
    rule = families[family]
    while True:
        parameters = rule.draw(rng)
        pairs: list[Pair] = []
        rejected = 0
        while rejected < MOST_REJECTED:
            drawn = rule.pair(rng, parameters)
            if drawn is None or not _shows_a_rule(drawn):
                rejected += 1
                continue
            pairs.append(drawn)
            if len(pairs) == 2 * demos:
                return ArcEpisode(family, number, split, parameters, tuple(pairs))


def _shows_a_rule(pair: Pair) -> bool:
    given, made = pair
    return max(made.shape) <= LARGEST_SIDE and not np.array_equal(given, made)


def episodes(
    seed: int,
    split: EpisodeSplit,
    n: int,
    *,
    demos: int = MOST_DEMOS,
    families: Sequence[Family] = FAMILIES,
) -> Iterator[ArcEpisode]:
    """The first `n` episodes of every family, family by family."""
    for family in range(len(families)):
        for number in range(n):
            yield episode(seed, split, family, number, demos=demos, families=families)
