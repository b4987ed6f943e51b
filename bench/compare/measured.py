"""The values of a field by row, memory and seed, with every hole filled by a stated rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.fields import Field, RankedRow, title
from bench.compare.model import Row, Section
from bench.stats.aggregate import normalised
from bench.stats.arrays import BoolArray, FloatArray
from bench.stats.pairing import significant

Anchors = tuple[float, float]
"""Values that score 0 and 1."""


@dataclass(frozen=True)
class Measured:
    """One task and metric: values of k memories on n common seeds.

    Attributes:
        section: Where they are from.
        values: Values [k, n]. A failed seed has the worst value that the metric can take; if it
            can be ever worse, the mean of the seeds that are there, or the best value if there
            is none: then `imputed` says that the memory's own numbers are not used.
        runs: Costs of each memory's single runs, for duels; infinite for failed seeds.
        incomplete: Which memories lack a seed [k].
        imputed: Which of them have no known cost [k].
    """

    section: Section
    values: FloatArray
    runs: tuple[FloatArray, ...]
    incomplete: BoolArray
    imputed: BoolArray

    def rank_costs(self, means: FloatArray) -> FloatArray:
        """Costs [..., k] to rank by from mean values: incomplete memories come last."""
        oriented = means if self.section.direction == "lower" else -means
        return np.where(self.incomplete, np.inf, oriented)

    def costs(self, means: FloatArray) -> FloatArray | None:
        """Costs with 0 = perfect from mean values; None for a metric without a best value."""
        lo, hi = self.section.bounds
        lower = self.section.direction == "lower"
        if not math.isfinite(lo if lower else hi):
            return None
        # a share of float32 answers may lie a rounding beyond its bound
        return np.maximum(0.0, means - lo if lower else hi - means)

    def anchors(self, reference: int | None) -> Anchors | None:
        """The values that score 0 and 1: guessing and the best, as the task declares them.

        A loss without a declared value of guessing begins at the reference's mean, so that its
        score is 1 - loss / reference's loss.
        """
        chance, ceiling = self.section.chance, self.section.ceiling
        if ceiling is None:
            return None
        if chance is None and self.from_reference(reference):
            chance = float(self.values[reference].mean())
        return None if chance is None or chance == ceiling else (chance, ceiling)

    def from_reference(self, reference: int | None) -> bool:
        """Whether its scores begin at the reference's mean."""
        section = self.section
        declared = section.ceiling is not None and section.chance is None
        known = reference is not None and not self.imputed[reference]
        return declared and known and section.direction == "lower"

    def scores(self, anchors: Anchors) -> FloatArray:
        """Values between guessing, 0, and the best, 1: [k, n].

        An imputed memory gets the lowest mean score of its task and at most 0.
        """
        scores = normalised(self.values, *anchors)
        worst = min(0.0, float(scores.mean(axis=1).min()))
        return np.where(self.imputed[:, None], worst, scores)


@dataclass(frozen=True)
class MeasuredRow:
    """What counts once, measured.

    Attributes:
        name: Its name.
        sections: Its tasks and metrics, all on the same seeds.
        n: Number of seeds, or how often a value without a seed is repeated.
        seeded: Whether values differ by seed.
        apart: Whether the memories have no seed in common, so that means stand for their values.
        uncommon: Titles of the sections where some values are on seeds that others lack.
    """

    name: str
    sections: tuple[Measured, ...]
    n: int
    seeded: bool
    apart: bool
    uncommon: tuple[str, ...]


def measure(field: Field) -> list[MeasuredRow]:
    """The rows of a field with the values of its memories, in the order of its labels.

    A block uses the seeds that all memories have on all of its tasks. A memory whose value does
    not depend on the seed has it on every seed; a row of such memories alone is repeated as often
    as the longest row has seeds, so that it counts the same.
    """
    seeds = [_common_seeds(row, field.labels) for row in field.rows]
    width = max((len(found) for found in seeds if found), default=1)
    return [
        _row(row, field.labels, found, width) for row, found in zip(field.rows, seeds, strict=True)
    ]


def _common_seeds(row: RankedRow, labels: Sequence[str]) -> list[int] | None:
    """Seeds planned for all memories on all sections of a row; None if none has a seed."""
    planned = _planned(row.sections, labels)
    return sorted(set.intersection(*planned)) if planned else None


def _planned(sections: Sequence[Section], labels: Sequence[str]) -> list[set[int]]:
    rows = [row for section in sections for row in _rows(section, labels)]
    return [set(row.planned) for row in rows if not row.seedless]


def _rows(section: Section, labels: Sequence[str]) -> list[Row]:
    by_label = {row.label: row for row in section.rows}
    return [by_label[label] for label in labels]


def _row(row: RankedRow, labels: Sequence[str], seeds: list[int] | None, width: int) -> MeasuredRow:
    apart = seeds == []
    n = width if apart or seeds is None else len(seeds)
    uncommon = [
        title(section)
        for section in row.sections
        if any(set(seeds or ()) != planned for planned in _planned([section], labels))
    ]
    return MeasuredRow(
        name=row.name,
        sections=tuple(_measured(section, labels, seeds, n) for section in row.sections),
        n=n,
        seeded=seeds is not None,
        apart=apart,
        uncommon=() if apart else tuple(uncommon),
    )


def _measured(section: Section, labels: Sequence[str], seeds: list[int] | None, n: int) -> Measured:
    rows = _rows(section, labels)
    found = [_on_seeds(row, seeds) for row in rows]
    incomplete = np.array([row.state != "complete" for row in rows])
    worst = _worst(section)
    sign = 1.0 if section.direction == "lower" else -1.0
    return Measured(
        section=section,
        values=np.array([_spread(_filled(values, section, worst), n, seeds) for values in found]),
        runs=tuple(_runs(sign * values) for values in found),
        incomplete=incomplete,
        imputed=incomplete & (worst is None),
    )


def _on_seeds(row: Row, seeds: list[int] | None) -> FloatArray:
    """Values on the common seeds, or on its own where there are none; NaN where one failed."""
    if row.seedless:
        return np.array(row.values or (math.nan,)).repeat(max(1, len(seeds or ())))
    known = dict(zip(row.seeds, row.values, strict=True))
    return np.array([known.get(seed, math.nan) for seed in seeds or row.planned])


def _filled(values: FloatArray, section: Section, worst: float | None) -> FloatArray:
    """Values without a hole; see `Measured.values`."""
    holes = np.isnan(values)
    if worst is None:
        worst = float(values[~holes].mean()) if not holes.all() else _best(section)
    return np.where(holes, worst, values)


def _spread(values: FloatArray, n: int, seeds: list[int] | None) -> FloatArray:
    """Values on n common seeds; their mean n times where no seed is common."""
    return values if seeds else np.full(n, values.mean())


def _runs(costs: FloatArray) -> FloatArray:
    return significant(np.where(np.isnan(costs), np.inf, costs))


def _worst(section: Section) -> float | None:
    """The worst value that the metric can take; None if it can be ever worse."""
    lo, hi = section.bounds
    bound = hi if section.direction == "lower" else lo
    return bound if math.isfinite(bound) else None


def _best(section: Section) -> float:
    lo, hi = section.bounds
    bound = lo if section.direction == "lower" else hi
    return bound if math.isfinite(bound) else 0.0
