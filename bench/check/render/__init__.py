"""What a check prints: a table for people, a summary for a pull request, files for machines.

`show` prints on a console; `render` returns text in any format. All take the reports of one
check, one per baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console

from bench.check.model import CheckReport
from bench.check.render import json_document, junit_xml, markdown_summary, rich_table

__all__ = ["Format", "render", "show"]

Format = Literal["rich", "markdown", "junit", "json"]


def show(reports: Sequence[CheckReport], console: Console, *, verbose: bool = False) -> None:
    """Print the reports for people; cells that are ok as a count unless `verbose`."""
    rich_table.show(reports, console, verbose=verbose)


def render(reports: Sequence[CheckReport], format: Format, *, verbose: bool = False) -> str:
    """The reports as text that ends in a newline, without escape codes.

    Args:
        reports: What `bench.check.check` returned, one per baseline.
        format: ``rich`` is what a pipe gets of `show`.
        verbose: Whether ``rich`` lists cells that are ok; the other formats hold every cell.
    """
    if format == "rich":
        return rich_table.render(reports, verbose=verbose)
    if format == "markdown":
        return markdown_summary.render(reports)
    if format == "junit":
        return junit_xml.render(reports)
    return json_document.render(reports)
