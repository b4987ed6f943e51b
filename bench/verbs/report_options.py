"""Options of `memb report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_SELECTION = "Selection"
_STATISTICS = "Statistics"
_AUDITS = "Audits"
_OUTPUT = "Output"

RunsArg = Annotated[
    list[Path] | None, typer.Argument(help="Run folders; the newest under results/ if none.")
]
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
MetricOpt = Annotated[
    list[str] | None, typer.Option(help="Show this metric.", rich_help_panel=_SELECTION)
]
CallOpt = Annotated[
    str | None,
    typer.Option(help="The plan of this call instead of the latest.", rich_help_panel=_SELECTION),
]
ReferenceOpt = Annotated[
    str | None,
    typer.Option(help="The memory that others are compared with.", rich_help_panel=_STATISTICS),
]
ModeOpt = Annotated[
    Literal["vs-reference", "vs-best", "all-pairs"],
    typer.Option(help="Which pairs are compared.", rich_help_panel=_STATISTICS),
]
TestOpt = Annotated[
    Literal["auto", "t", "signflip", "wilcoxon", "welch"] | None,
    typer.Option(help="Test; auto chooses by the number of seeds.", rich_help_panel=_STATISTICS),
]
CorrectionOpt = Annotated[
    Literal["holm", "bh", "hommel", "bonferroni", "none"] | None,
    typer.Option(help="Correction for many tests.", rich_help_panel=_STATISTICS),
]
FamilyOpt = Annotated[
    Literal["table", "task", "none"],
    typer.Option(help="Which tests are corrected together.", rich_help_panel=_STATISTICS),
]
AlphaOpt = Annotated[
    float | None, typer.Option(help="Significance level.", rich_help_panel=_STATISTICS)
]
MissingOpt = Annotated[
    Literal["worst", "error", "drop"],
    typer.Option(help="What is done about incomplete cells.", rich_help_panel=_STATISTICS),
]
ClaimOpt = Annotated[
    Literal["both", "seed", "time"],
    typer.Option(
        help="What a mark on a fixed series rests on: p over seeds, over time, both.",
        rich_help_panel=_STATISTICS,
    ),
]
MarginOpt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=VALUE",
        help="A difference that does not matter, in the metric's units or as METRIC=rel:0.02.",
        rich_help_panel=_STATISTICS,
    ),
]
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
