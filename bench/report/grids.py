"""Tables of a report that no comparison has: audits, and where trials failed or were skipped."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.model import AuditRow, Mishap
from bench.tables.grid import Cell, Grid

WORDS = {"held": "held", "broken": "BROKEN", "n/a": "n/a"}


def audit_grids(rows: Sequence[AuditRow]) -> list[Grid]:
    """Memories by laws, one table per set of laws that were tried together."""
    groups: dict[tuple[str, ...], list[AuditRow]] = {}
    for row in rows:
        if row.verdicts:
            groups.setdefault(tuple(verdict.law for verdict in row.verdicts), []).append(row)
    return [_laws(laws, found) for laws, found in groups.items()]


def places(mishap: Mishap) -> Grid:
    """Where something happened: memory, task, seeds, and the keys to run it again alone."""
    rows = tuple(
        (
            Cell(place.label),
            Cell(place.task),
            Cell(", ".join(map(str, place.seeds)) or "none"),
            Cell(", ".join(place.trial_keys)),
        )
        for place in mishap.places
    )
    return _words("Where", ("memory", "task point", "seeds", "trial keys"), rows)


def skipped_grid(found: Sequence[Mishap]) -> Grid:
    """What the plan left out, and why."""
    rows = []
    for mishap in found:
        tasks: dict[str, list[str]] = {}
        for place in mishap.places:
            tasks.setdefault(place.label, []).append(place.task)
        rows += [
            (Cell(label), Cell(", ".join(on)), Cell(mishap.message)) for label, on in tasks.items()
        ]
    return _words("Skipped", ("memory", "task points", "reason"), tuple(rows))


def _laws(laws: Sequence[str], rows: Sequence[AuditRow]) -> Grid:
    noted = any(row.note for row in rows)
    header = ("memory", "verdict", *laws, *(["note"] if noted else []))
    cells = tuple(
        (
            Cell(row.label),
            Cell(_verdict(row)),
            *(Cell(WORDS[verdict.outcome]) for verdict in row.verdicts),
            *([Cell(row.note)] if noted else []),
        )
        for row in rows
    )
    return _words("Laws tried on each memory", header, cells)


def _verdict(row: AuditRow) -> str:
    broken = row.count("broken")
    return f"{broken} broken" if broken else f"all {row.count('held')} held"


def _words(title: str, header: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> Grid:
    return Grid(title, header, rows, (False,) * len(header))
