"""Planned contrasts on task points of which not even the metric is known: every trial failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.compare.model import Options, Section
from bench.compare.pairs import planned


@dataclass(frozen=True)
class Lost:
    """How many planned tests of a metric failed with their whole task point.

    Attributes:
        seeds: Tests over seeds.
        time: Tests over time.
    """

    seeds: int = 0
    time: int = 0


def lost(sections: Sequence[Section], options: Options) -> Mapping[str, Lost]:
    """By metric, the tests that its family must count with p = 1 beside its contrasts.

    Where a whole task point fails before any metric is known its contrasts belong to no metric,
    and leaving them out would make the claims on other task points easier. They count for the
    metrics that the same task has at other points; for every metric where it has none.
    """
    tested = [section for section in sections if section.tested]
    found: dict[str, Lost] = defaultdict(Lost)
    for section in sections:
        if section.metric:
            continue
        alike = [other for other in tested if other.task == section.task] or tested
        for metric in dict.fromkeys(other.metric for other in alike):
            losses = next((o.losses for o in alike if o.metric == metric and o.losses), "")
            pairs = planned(replace(section, tested=True, losses=losses), options)
            timed = bool(losses) and not section.seeded
            before = found[metric]
            found[metric] = Lost(
                before.seeds + sum(pair.in_family for pair in pairs),
                before.time + (len(pairs) if timed else 0),
            )
    return found
