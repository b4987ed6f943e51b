"""Tables of a comparison, one renderer per format over the same cells.

`rich_table.show` prints to a console; `render` returns text in any other format.
"""

from __future__ import annotations

from typing import Literal, get_args

from bench.compare.model import Comparison
from bench.tables import csv_table, html, json_table, latex, markdown
from bench.tables.grid import Spread

Format = Literal["markdown", "latex", "html", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(
    comparison: Comparison,
    format: Format,
    *,
    spread: Spread = "ci",
    digits: int | None = None,
    transpose: bool = False,
    ascii_only: bool = False,
) -> str:
    """The comparison as text ending in a newline, without escape codes.

    Args:
        comparison: What `bench.compare.compare` returned.
        format: ``markdown``, ``latex``, ``html``, ``csv`` or ``json``.
        spread: What stands beside a mean; ``csv`` and ``json`` hold all of them.
        digits: Decimal places; ``csv`` and ``json`` have full precision.
        transpose: Whether an overview has a row per task; ``csv`` and ``json`` have none.
        ascii_only: Whether Markdown has to do with ASCII signs.
    """
    if format == "csv":
        return csv_table.render(comparison)
    if format == "json":
        return json_table.render(comparison)
    if format == "latex":
        return latex.render(comparison, spread=spread, digits=digits, transpose=transpose)
    if format == "html":
        return html.render(comparison, spread=spread, digits=digits, transpose=transpose)
    return markdown.render(
        comparison, spread=spread, digits=digits, transpose=transpose, ascii_only=ascii_only
    )
