"""The order in which verdicts are shown everywhere, and what each is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from bench.check.model import CellVerdict, CheckReport, Detail

Group = Literal[
    "regressed", "missing or failed", "inconclusive", "changed", "improved", "ok"
]  # fmt: skip
GROUPS: tuple[Group, ...] = get_args(Group)

SYMBOLS: dict[Group, str] = {
    "regressed": "×", "missing or failed": "×", "inconclusive": "?", "changed": "~",
    "improved": "+", "ok": "=",
}  # fmt: skip
"""A sign before the word, so that verdicts can be told apart at a glance without colours."""

QUIET: frozenset[Detail] = frozenset(
    {"identical", "within-tolerance", "slightly-better", "det", "new", "not-comparable"}
)
"""Details of cells that need nobody's attention, unless they regressed."""


def group(found: CellVerdict) -> Group:
    """Where a cell is shown."""
    if found.detail in ("missing", "missing-seeds", "failed"):
        return "missing or failed"
    if found.verdict == "ok" and found.detail == "changed":
        return "changed"
    if found.verdict == "ok" and found.detail == "improved":
        return "improved"
    return found.verdict


def is_quiet(found: CellVerdict) -> bool:
    """Whether a cell is counted rather than listed."""
    return found.detail in QUIET and not (found.gates and found.verdict != "ok")


def in_order(cells: Iterable[CellVerdict]) -> list[CellVerdict]:
    """The cells by group; within one as the report has them."""
    return sorted(cells, key=lambda found: GROUPS.index(group(found)))


def listed(report: CheckReport, *, verbose: bool = False) -> list[CellVerdict]:
    """The cells that a table shows; all of them if `verbose`."""
    return in_order(one for one in report.cells if verbose or not is_quiet(one))


def collapsed(report: CheckReport) -> list[CellVerdict]:
    """The cells that `listed` leaves to a count."""
    return in_order(one for one in report.cells if is_quiet(one))


def counts(report: CheckReport) -> dict[Group, int]:
    """Number of cells by group, zeros included but where exact mode alone has any."""
    found = [group(one) for one in report.cells]
    return {name: found.count(name) for name in GROUPS if name != "changed" or name in found}


def labels(reports: Sequence[CheckReport]) -> list[str]:
    """A name for each baseline: none for the only one, else its path."""
    return [""] if len(reports) == 1 else [report.baseline.path for report in reports]
