"""Tables as HTML: fragments to put into a page, and a stand-alone page without any script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape as _escape

from bench.compare.model import Comparison
from bench.tables.grid import Cell, Grid, Sheet, Spread, emphasis
from bench.tables.layout import whole_part
from bench.tables.sheet import build
from bench.tables.symbols import MEANINGS, UNICODE

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
SIGN = 1.4
"""Width of a sign, in digits."""
LONG = 32
"""Characters of a name from which it may be set in several lines."""

STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #57606a;
  --line: #d0d7de; --band: #f3f5f7; --near: #fff3c4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --paper: #14171a; --soft: #a3adb7; --line: #3a424a; --band: #1e2327;
    --near: #453a12; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 100rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; }
.scroll { overflow-x: auto; margin: 0 0 2rem; }
table.memb { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.memb caption { text-align: left; font-weight: 600; padding: 0 0 0.5rem; }
.memb th, .memb td { padding: 0.25rem 0.75rem; text-align: left; white-space: nowrap; }
.memb thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.memb thead tr:last-child th { border-bottom: 2px solid var(--line); }
.memb th[scope=colgroup] { border-bottom: 1px solid var(--line); }
.memb tbody th { font-weight: 400; position: sticky; left: 0; background: var(--paper); }
.memb tbody th.long { min-width: 14rem; white-space: normal; overflow-wrap: break-word; }
.memb tbody tr:nth-child(even) > * { background: var(--band); }
.memb tbody tr > .near { background: var(--near); }
.memb td.words { white-space: normal; min-width: 16rem; }
.memb .int { display: inline-block; text-align: right; }
.memb .second, .memb .second .int { text-decoration: underline; }
.memb abbr { text-decoration: none; cursor: help; margin-left: 0.25em; }
.note, .footer { color: var(--soft); font-size: 0.9rem; max-width: 60rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
@media print { .scroll { overflow: visible; } }
"""
"""The style sheet that fragments are written for; colours follow the reader's scheme."""


def render(
    comparison: Comparison,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
) -> str:
    """The comparison as one HTML file that needs no other file and no network."""
    sheet = build(comparison, spread=spread, digits=digits, transpose=transpose)
    title = f"memb compare: {comparison.suite}" if comparison.suite else "memb compare"
    return page(title, fragments(sheet))


def render_sheet(sheet: Sheet, title: str) -> str:
    """Tables that are built already, as a page."""
    return page(title, fragments(sheet))


def fragments(sheet: Sheet) -> str:
    """Every table of a sheet and its footer, without a page around them."""
    sentences = [*emphasis(sheet.grids), *sheet.footer]
    return "\n".join([*map(table, sheet.grids), footer(sentences)])


def page(title: str, body: str, *, style: str = STYLE) -> str:
    """A complete document around a body of HTML.

    Args:
        title: Plain text.
        body: HTML, escaped already.
        style: CSS.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(grid: Grid) -> str:
    """One table inside an element that scrolls on its own, with its notes below.

    Numbers carry their full value in ``data-value``, for scripts that sort. Best and second best
    are said in words that only a screen reader sees; a mark is an ``abbr`` with its meaning.
    """
    lines = [
        f'<div class="scroll" role="region" aria-label="{escape(grid.title)}" tabindex="0">',
        '<table class="memb">',
        f"<caption>{escape(grid.title)}</caption>",
        "<thead>",
        *_heads(grid),
        "<tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.header) + "</tr>",
        "</thead>",
        "<tbody>",
        *_body(grid),
        "</tbody>",
        "</table>",
        *(f'<p class="note">{escape(note)}</p>' for note in grid.notes),
        "</div>",
    ]
    return "\n".join(lines)


def footer(sentences: Sequence[str]) -> str:
    """The sentences below the tables, as a list."""
    items = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="footer">\n{items}\n</ul>'


def escape(text: str) -> str:
    """Plain text as HTML, also inside a quoted attribute; characters HTML forbids are dropped."""
    return _escape(_CONTROLS.sub("", text), quote=True)


def _heads(grid: Grid) -> list[str]:
    """The heads over groups of columns; nothing stands over the names of the rows."""
    if not grid.groups:
        return []
    cells = [
        f'<th scope="colgroup" colspan="{span}">{escape(head)}</th>'
        if head
        else f'<td colspan="{span}"></td>'
        for head, span in grid.groups
    ]
    return [f"<tr>{''.join(cells)}</tr>"]


def _body(grid: Grid) -> list[str]:
    widths = [
        _whole_width([row[j] for row in grid.rows]) if numeric else 0.0
        for j, numeric in enumerate(grid.numeric)
    ]
    rows = []
    for row in grid.rows:
        long = ' class="long"' * (len(row[0].text) > LONG)
        cells = [f'<th scope="row"{long}>{_text(row[0], 0.0)}</th>']
        cells += [
            _cell(cell, numeric, width)
            for cell, numeric, width in zip(row[1:], grid.numeric[1:], widths[1:], strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return rows


def _whole_width(column: Sequence[Cell]) -> float:
    """Width of the widest sign and whole part, in digits; 0 where all are alike."""
    wholes = {whole for cell in column if (whole := whole_part(cell.text))}
    signed = any(whole[0] in "+-" for whole in wholes)
    digits = {len(whole.lstrip("+-")) for whole in wholes}
    if len(digits) < 2 and not signed:
        return 0.0
    return max(digits) + SIGN * signed


def _cell(cell: Cell, numeric: bool, width: float) -> str:
    classes = [name for name, said in (("words", not numeric), ("near", _near(cell))) if said]
    attributes = f' class="{" ".join(classes)}"' if classes else ""
    if cell.value is not None:
        attributes += f' data-value="{float(cell.value)!r}"'
    return f"<td{attributes}>{_text(cell, width)}</td>"


def _near(cell: Cell) -> bool:
    return "not-separated" in cell.marks


def _text(cell: Cell, width: float) -> str:
    text = _aligned(cell.text, width)
    if cell.bold:
        text = f'<strong>{text}</strong><span class="unseen"> (best)</span>'
    elif cell.underline:
        text = f'<span class="second">{text}</span><span class="unseen"> (second)</span>'
    return text + "".join(
        f'<abbr title="{escape(MEANINGS[mark])}">{escape(UNICODE[mark])}</abbr>'
        for mark in cell.marks
    )


def _aligned(text: str, width: float) -> str:
    """The text with its whole part as wide as the widest of the column, and true minus signs."""
    if not width:
        return escape(text)
    whole = whole_part(text)
    plain = escape(_MINUS.sub("\N{MINUS SIGN}", text))
    if not whole:
        return plain
    return (
        f'<span class="int" style="min-width:{width:g}ch">{plain[: len(whole)]}</span>'
        f"{plain[len(whole) :]}"
    )
