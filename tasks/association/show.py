"""An associative task's episodes for a person to look at: what is written, then what is asked."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tasks.association.transcript import Asked, Transcript
from tasks.samples.sample import Cell, Facts, Sample, Table

EVENTS = 6
"""Events shown of each write."""
QUERIES = 4
"""Queries shown of each read."""


def episode(transcript: Transcript, lane: int, title: str) -> Sample:
    """One episode: its sizes, the first events of each write, the first queries of each read.

    A query is set beside the event whose key is nearest to it among all that were written by then,
    the newest where several are equally near; no answer is shown, as which one counts is the
    task's own matter.
    """
    first = transcript.writes[0]
    facts: dict[str, Cell] = {
        "keys": first.keys.shape[-1],
        "values": first.values.shape[-1],
        "writes": len(transcript.writes),
        "reads": len(transcript.reads),
    }
    return Sample(title, (Facts(facts), _written(transcript, lane), _asked(transcript, lane)))


def _written(transcript: Transcript, lane: int) -> Table:
    rows, left_out = [], 0
    for number, write in enumerate(transcript.writes, start=1):
        n = write.keys.shape[1]
        left_out += max(0, n - EVENTS)
        for event in range(min(n, EVENTS)):
            rows.append((
                number, write.after or None, event + 1,
                _numbers(write.keys[lane, event]), _numbers(write.values[lane, event]),
                _number(write.times, lane, event), _vector(write.contexts, lane, event),
            ))  # fmt: skip
    columns = ("write", "after write", "event", "key", "value", "time", "context")
    return _without_empty_columns(Table("written", columns, rows, left_out))


def _asked(transcript: Transcript, lane: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    left_out = 0
    for number, read in enumerate(transcript.reads, start=1):
        shown = list(_queries(transcript, read, lane))
        rows += [(number, *row) for row in shown]
        left_out += read.queries.shape[1] - len(shown)
    columns = (
        "read", "after write", "stored", "query", "key asked", "time", "context",
        "nearest event", "cosine", "its value",
    )  # fmt: skip
    return _without_empty_columns(Table("asked", columns, rows, left_out))


def _queries(transcript: Transcript, read: Asked, lane: int) -> Iterator[tuple[Cell, ...]]:
    """The first queries of a read, each with the event of the nearest key."""
    past = transcript.before(read.after)
    writes = [transcript.writes[number - 1] for number in past]
    places = [
        f"{number}.{event + 1}"
        for number, write in zip(past, writes, strict=True)
        for event in range(write.keys.shape[1])
    ]
    for query, vector in enumerate(read.queries[lane, :QUERIES]):
        nearest: tuple[Cell, Cell, Cell] = (None, None, None)
        if places and bool(vector.any()):
            keys = torch.cat([write.keys[lane] for write in writes])
            likeness = normalize(keys, dim=-1) @ normalize(vector, dim=-1)
            best = int((likeness >= likeness.max() - 1e-6).nonzero().max())
            value = torch.cat([write.values[lane] for write in writes])[best]
            nearest = places[best], float(likeness[best]), _numbers(value)
        yield (
            read.after or None, len(places), query + 1, _numbers(vector),
            _number(read.times, lane, query), _vector(read.contexts, lane, query), *nearest,
        )  # fmt: skip


def _without_empty_columns(table: Table) -> Table:
    """The table without columns in which nothing stands, such as times that nobody gives."""
    full = [
        at for at in range(len(table.columns)) if any(row[at] is not None for row in table.rows)
    ]
    rows = [tuple(row[at] for at in full) for row in table.rows]
    return Table(table.title, tuple(table.columns[at] for at in full), rows, table.left_out)


def _numbers(vector: Tensor) -> tuple[float, ...]:
    return tuple(vector.tolist())


def _vector(rows: Tensor | None, lane: int, row: int) -> Cell:
    return None if rows is None else _numbers(rows[lane, row])


def _number(rows: Tensor | None, lane: int, row: int) -> Cell:
    return None if rows is None else float(rows[lane, row])
