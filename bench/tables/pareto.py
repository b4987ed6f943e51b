"""Trade-offs between quality and cost as tables, in the formats of leaderboards."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from bench.compare.pareto import BATCH, Calls, Front, Point
from bench.tables import digits as write
from bench.tables import html, latex, markdown
from bench.tables.grid import ARROWS, Cell, Grid, Sheet

SCHEMA = "memb-pareto/1"
STATE_FRONT, READ_FRONT = "state", "read"


class Times(NamedTuple):
    """How the times of a kind of calls are presented."""

    columns: tuple[str, str]
    fast: str
    how: str


TIMES: Mapping[Calls, Times] = {
    "queries": Times(
        ("read us ↓", "write us ↓"),
        "reads",
        f"Times per query and per event, in batches of {BATCH:.0f}, one lane, median of 10, on "
        "the machine of the run.",
    ),
    "forecasts": Times(
        ("predict us ↓", "observe us ↓"),
        "forecasts",
        "Times per forecast and per revealed row, one lane, one thread, median of 30, on the "
        "machine of the run.",
    ),
    "passes": Times(
        ("tokens us ↓", "absorb us ↓"),
        "reads",
        "Times per read of all tokens and per pass of one window, without the encoder, one lane, "
        "one thread, median of 30, on the machine of the run.",
    ),
}


def sheet(fronts: Sequence[Front]) -> Sheet:
    """One table per front, and what its words mean."""
    kinds = [kind for kind in TIMES if any(front.calls == kind for front in fronts)]
    fast = " or ".join(dict.fromkeys(TIMES[kind].fast for kind in kinds))
    footer = [
        "front: state = no other memory does at least as well with less state; read = none does at "
        f"least as well with faster {fast}. Means over seeds, without a test.",
        *(TIMES[kind].how for kind in kinds),
        "Fixed floats: slow weights and random buffers, unchanged by events.",
    ]
    several = len({front.metric for front in fronts}) < len(fronts)
    for front in fronts:
        if front.left_out:
            names = ", ".join(front.left_out)
            where = f"{front.metric} on {', '.join(front.tasks)}" if several else front.metric
            footer.append(f"Left out of {where}, for want of a complete result: {names}.")
    return Sheet(tuple(_grid(front) for front in fronts), tuple(footer))


def render(fronts: Sequence[Front], format: str) -> str:
    """The fronts as text: ``markdown``, ``latex``, ``html``, ``csv`` or ``json``."""
    if format == "json":
        found = {"schema": SCHEMA, "fronts": [asdict(front) for front in fronts]}
        return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "csv":
        return _csv(fronts)
    if format == "html":
        return html.render_sheet(sheet(fronts), "memb compare --pareto")
    if format == "latex":
        return latex.render_sheet(sheet(fronts))
    return markdown.render_sheet(sheet(fronts))


def _csv(fronts: Sequence[Front]) -> str:
    rows = [
        {"metric": f.metric, "direction": f.direction, **asdict(p)}
        for f in fronts
        for p in f.points
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _grid(front: Front) -> Grid:
    several = len({point.task_label for point in front.points}) > 1
    with_bits = any(point.bits_per_float is not None for point in front.points)
    unit = f" ({front.unit})" if front.unit else ""
    header = [
        "memory", *(["task"] if several else []), f"{front.metric} {ARROWS[front.direction]}",
        "state floats ↓", "fixed floats", *(["bits per float ↑"] if with_bits else []),
        *TIMES[front.calls].columns,
        "front",
    ]  # fmt: skip
    rows = [_row(point, several=several, with_bits=with_bits) for point in front.points]
    numeric = [name not in ("memory", "task", "front") for name in header]
    title = f"{', '.join(front.tasks)}: {front.metric}{unit} against state and time"
    return Grid(title, tuple(header), tuple(rows), tuple(numeric))


def _row(point: Point, *, several: bool, with_bits: bool) -> tuple[Cell, ...]:
    on = [STATE_FRONT] * point.on_state_front + [READ_FRONT] * point.on_read_front
    return (
        Cell(point.label),
        *([Cell(point.task_label)] if several else []),
        _number(point.quality),
        _size(point.state_floats),
        _size(point.param_floats),
        *([_number(point.bits_per_float)] if with_bits else []),
        _number(point.read_us),
        _number(point.write_us),
        Cell(", ".join(on)),
    )


def _size(floats: float | None) -> Cell:
    return Cell("-") if floats is None else Cell(write.count(floats), value=floats)


def _number(value: float | None) -> Cell:
    if value is None:
        return Cell("-")
    return Cell(write.number(value, write.decimals_of(None, value)), value=value)
