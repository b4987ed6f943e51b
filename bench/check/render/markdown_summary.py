"""A check as Markdown: the summary of a job, a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.check.model import CellVerdict, CheckReport
from bench.check.render import sentences
from bench.check.render.cell_table import table
from bench.check.render.groups import collapsed, labels, listed
from bench.tables.grid import Sheet
from bench.tables.markdown import render_sheet

MOST_ROWS = 50
"""Rows of what needs attention; the JSON has all."""
MOST_DETAILS = 2_000
"""Rows of what is folded away."""
MOST_BYTES = 2**20 - 2**10
"""A job summary of a MiB or more is refused as a whole; other steps write to it too."""


@dataclass(frozen=True)
class _Limits:
    """Rows of each table of one summary."""

    rows: int
    details: int


def render(reports: Sequence[CheckReport]) -> str:
    """The reports as text of less than a MiB, what needs attention first."""
    limits = _Limits(MOST_ROWS, MOST_DETAILS)
    text = _text(reports, limits)
    while len(text.encode()) > MOST_BYTES and limits != _Limits(0, 0):
        fewer = limits.details // 2
        limits = _Limits(limits.rows if limits.details else limits.rows // 2, fewer)
        text = _text(reports, limits)
    return text


def _text(reports: Sequence[CheckReport], limits: _Limits) -> str:
    blocks = [f"## {_plain(sentences.headline(reports))}"]
    for name, report in zip(labels(reports), reports, strict=True):
        if name:
            blocks.append(f"### {_plain(name)}")
        blocks += _report(report, limits)
    return "\n\n".join(blocks) + "\n"


def _report(report: CheckReport, limits: _Limits) -> list[str]:
    blocks = [f"{sentences.summary(report)}."]
    shown, rest = listed(report), collapsed(report)
    if shown:
        blocks.append(_rows("Cells that need attention", shown, report, limits.rows))
    if rest:
        head = f"<details><summary>Other cells: {sentences.quiet_counts(report)}</summary>"
        inside = _rows("Other cells", rest, report, limits.details)
        blocks.append(f"{head}\n\n{inside}\n\n</details>")
    return [*blocks, _footer(report)]


def _rows(title: str, cells: Sequence[CellVerdict], report: CheckReport, most: int) -> str:
    """The first of these cells as a table, and how many more there are."""
    parts = []
    if most:
        grid = table(title, cells[:most], report.policy)
        parts.append(render_sheet(Sheet((grid,), ())).strip())
    if len(cells) > most:
        parts.append(f"and {len(cells) - most} more, see the JSON report")
    return "\n\n".join(parts)


def _footer(report: CheckReport) -> str:
    return "\n".join(_plain(f"- {sentence}", start=2) for sentence in sentences.footer(report))


def _plain(text: str, start: int = 0) -> str:
    """Text in which Markdown finds nothing to format, after its first characters."""
    for character in "\\|*_<~`&$":
        text = text[:start] + text[start:].replace(character, "\\" + character)
    return text[:start] + " ".join(text[start:].split())
