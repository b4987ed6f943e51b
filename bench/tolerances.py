"""How much a metric may change before the change matters: defaults by class, and overrides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.errors import MembError, Problem, nearest


@dataclass(frozen=True)
class Tolerance:
    """The largest change that does not matter.

    Attributes:
        rel: As a share of the value it is taken from.
        abs: In the metric's own units.
    """

    rel: float = 0.0
    abs: float = 0.0

    def margin(self, value: float) -> float:
        """The change that does not matter, in the metric's units: max(abs, rel |value|)."""
        return max(self.abs, self.rel * abs(value))

    def __str__(self) -> str:
        parts = [f"rel:{self.rel:g}"] if self.rel or not self.abs else []
        parts += [f"abs:{self.abs:g}"] if self.abs else []
        return " or ".join(parts)


LOSS = Tolerance(rel=0.02)
PROPORTION = Tolerance(abs=0.01)
CAPACITY = Tolerance(rel=0.05, abs=1.0)
EXACT = Tolerance()
TIME_REL = 0.25
MEMORY_REL = 0.05

_MILLISECOND = {"s": 0.001, "ms": 1.0, "us": 1000.0, "ns": 1_000_000.0}
_20_MICROSECONDS = {"s": 20e-6, "ms": 0.02, "us": 20.0, "ns": 20_000.0}
_MEBIBYTE = {"bytes": 2.0**20, "B": 2.0**20, "KiB": 2.0**10, "MiB": 1.0, "GiB": 2.0**-10}


def default(kind: str, unit: str, bounds: tuple[float, float]) -> Tolerance:
    """The tolerance of a metric that no suite and no option gives one.

    Counts (kind ``static``) must be equal. Times may grow by a quarter and 1 ms, or 20
    microseconds where they are per operation; memory by 5 % and 1 MiB. Scores that end at 1
    (accuracy, recall, F1, R2, skill, correlations) may change by 0.01, numbers of items by 5 %
    or one item, and everything else, above all losses, by 2 %.

    Args:
        kind: ``quality``, ``perf`` or ``static``.
        unit: Unit as printed, e.g. ``items`` or ``us/query``.
        bounds: Attainable range; NaN or infinite where unbounded.
    """
    if kind == "static":
        return EXACT
    if kind == "perf":
        return _cost(unit)
    if bounds[1] == 1:
        return PROPORTION
    return CAPACITY if unit == "items" else LOSS


def _cost(unit: str) -> Tolerance:
    """The tolerance of a time or a size of memory, in its own unit."""
    base, _, per = unit.partition("/")
    if base in _MILLISECOND:
        return Tolerance(rel=TIME_REL, abs=(_20_MICROSECONDS if per else _MILLISECOND)[base])
    if base in _MEBIBYTE:
        return Tolerance(rel=MEMORY_REL, abs=_MEBIBYTE[base])
    return EXACT


def of_suite(statistics: Mapping[str, object]) -> dict[str, Tolerance]:
    """The tolerances that a suite's statistics block declares, by metric."""
    declared = statistics.get("tolerance")
    if not isinstance(declared, Mapping):
        return {}
    return {str(metric): Tolerance(**given) for metric, given in declared.items()}


def parsed(words: Iterable[str], option: str = "--tolerance") -> dict[str, Tolerance]:
    """Tolerances written as ``METRIC=rel:0.02``, ``METRIC=abs:0.01`` or both, comma between.

    What is not given is 0; a later word for the same metric adds its part.

    Args:
        words: As they were typed.
        option: Where they stand, for what is said of wrong ones.

    Raises:
        MembError: All words that say nothing of the kind.
    """
    found: dict[str, dict[str, float]] = {}
    problems = []
    for word in words:
        metric, _, parts = word.partition("=")
        given = [_part(part) for part in parts.split(",")]
        if not metric or not all(given):
            help = "write METRIC=rel:0.02, METRIC=abs:0.01 or METRIC=rel:0.02,abs:0.01, all >= 0"
            problems.append(Problem(f"{option} {word}: not a tolerance", help=help))
            continue
        found.setdefault(metric, {}).update(dict(filter(None, given)))
    if problems:
        raise MembError(problems)
    return {metric: Tolerance(**parts) for metric, parts in found.items()}


def _part(text: str) -> tuple[str, float] | None:
    """``rel:0.02`` as its two halves; None if it is nothing of the kind."""
    kind, _, number = text.strip().partition(":")
    try:
        value = float(number)
    except ValueError:
        return None
    return (kind, value) if kind in ("rel", "abs") and 0 <= value < math.inf else None


def refuse_unknown(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Refuse a tolerance for a metric that nothing recorded: it would silently do nothing.

    Args:
        given: Metrics that are given a tolerance.
        known: Metrics that are recorded.
        place: Where they are given, e.g. ``--tolerance``.

    Raises:
        MembError: All that are unknown, each with the nearest name.
    """
    there = sorted(set(known) - {""})
    problems = [
        Problem(
            f"{place}: unknown metric '{metric}'",
            help=f"{nearest(metric, there)} recorded are {', '.join(there)}".strip(),
        )
        for metric in sorted(set(given) - set(there))
    ]
    if problems:
        raise MembError(problems)
