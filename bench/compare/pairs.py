"""Which memories are compared to which, and on what seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.compare.model import Options, Row, Section
from bench.stats.paired import LEAST_PAIRS
from bench.stats.pairing import Pairs, pair


@dataclass(frozen=True)
class Draft:
    """A pair of rows to compare, before anything is computed.

    Attributes:
        section: Where they stand.
        a: The memory judged.
        b: The memory it is compared to.
        pairs: Their values on common seeds.
        unpaired: Whether their seeds were planned apart, so that Welch's test applies.
        claimed: Whether differences over seeds are tested here: where seeds vary the data, where
            a test over time stands beside, or where claims on seeds alone are asked for.
    """

    section: Section
    a: Row
    b: Row
    pairs: Pairs
    unpaired: bool
    claimed: bool

    @property
    def resolution(self) -> float:
        """Smallest step of the values."""
        return max(self.a.resolution, self.b.resolution)

    @property
    def in_family(self) -> bool:
        """Whether the plan holds enough seeds to test it, whatever became of them."""
        if not self.claimed:
            return False
        if self.unpaired:
            return min(len(self.a.planned), len(self.b.planned)) >= LEAST_PAIRS
        return len(self._planned(self.a) & self._planned(self.b)) >= LEAST_PAIRS

    def _planned(self, row: Row) -> set[int]:
        """Seeds planned for a side; one value without a seed stands for all on a fixed series."""
        if not row.seedless or self.section.seeded:
            return set(row.planned)
        return set(self.a.planned) | set(self.b.planned)

    @property
    def testable(self) -> bool:
        """Whether the values that are there can be tested."""
        n = min(self.a.n, self.b.n) if self.unpaired else self.pairs.n
        return self.in_family and n >= LEAST_PAIRS


def drafts(section: Section, options: Options) -> list[Draft]:
    """The pairs of a section that the mode asks for, in the suite's order.

    A skipped memory is in none: the task and the memory do not fit, by declaration.
    """
    return planned(section, options) if section.metric else []


def planned(section: Section, options: Options) -> list[Draft]:
    """The same, of a section without a metric too."""
    rows = [row for row in section.rows if row.state != "skipped"]
    if options.mode == "all-pairs":
        return [_draft(section, a, b, options) for a, b in combinations(rows, 2)]
    name = section.best
    if options.mode == "vs-reference":
        name = options.reference_on([row.label for row in section.rows])
    other = next((row for row in rows if row.label == name), None)
    if other is None:
        return []
    return [_draft(section, row, other, options) for row in rows if row is not other]


def _draft(section: Section, a: Row, b: Row, options: Options) -> Draft:
    left, right = _matched(section, a, b)
    pairs = pair(*left, *right, section.direction)
    apart = bool(a.planned) and bool(b.planned) and not set(a.planned) & set(b.planned)
    unpaired = options.test == "welch" or (options.test == "auto" and apart)
    claimed = section.tested and (section.seeded or bool(section.losses) or options.claim == "seed")
    return Draft(section, a, b, pairs, unpaired and not (a.seedless or b.seedless), claimed)


_Side = tuple[Sequence[int], Sequence[float]]


def _matched(section: Section, a: Row, b: Row) -> tuple[_Side, _Side]:
    """Seeds and values of both sides; one value without a seed stands for every seed.

    Only where the data are the same for every seed: on seeded data a seedless value has no
    partner.
    """
    if a.seedless and b.seedless:
        return ((0,) * a.n, a.values), ((0,) * b.n, b.values)
    return _side(section, a, b), _side(section, b, a)


def _side(section: Section, row: Row, partner: Row) -> _Side:
    if not row.seedless:
        return row.seeds, row.values
    if section.seeded or not row.values:
        return (), ()
    return partner.seeds, row.values * partner.n
