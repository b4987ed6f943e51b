"""Options of `memb report` beside those of `memb compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_AUDITS = "Audits"
_OUTPUT = "Output"

PageOpt = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="The page; - for stdout.", rich_help_panel=_OUTPUT
    ),
]
TitleOpt = Annotated[
    str | None,
    typer.Option(help="Title of the page; the suite's name if none.", rich_help_panel=_OUTPUT),
]
FiguresOpt = Annotated[
    bool,
    typer.Option(
        "--figures/--no-figures", help="Draw figures: most of the time and size.",
        rich_help_panel=_OUTPUT,
    ),
]  # fmt: skip
AuditsOpt = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="What 'memb audit NAME --json' wrote, or a folder of such files.",
        rich_help_panel=_AUDITS,
    ),
]  # fmt: skip
AuditOpt = Annotated[
    bool,
    typer.Option(
        "--audit", help="Audit the memories now; takes seconds each.", rich_help_panel=_AUDITS
    ),
]
