"""Options of `memb compare`; those of its statistics are also those of `memb report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_SELECTION = "Selection"
_STATISTICS = "Statistics"
_OUTPUT = "Output"

RunsArg = Annotated[
    list[Path] | None, typer.Argument(help="Run folders; the newest under results/ if none.")
]
MetricOpt = Annotated[
    list[str] | None, typer.Option(help="Show this metric.", rich_help_panel=_SELECTION)
]
AllMetricsOpt = Annotated[
    bool,
    typer.Option(
        "--all-metrics", help="Show untested scalars and costs too.", rich_help_panel=_SELECTION
    ),
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
CiOpt = Annotated[
    Literal["t", "bca", "percentile"],
    typer.Option(help="Method of the 95% intervals.", rich_help_panel=_STATISTICS),
]
MissingOpt = Annotated[
    Literal["worst", "error", "drop"],
    typer.Option(help="What is done about incomplete cells.", rich_help_panel=_STATISTICS),
]
RowsOpt = Annotated[
    Literal["block", "task"],
    typer.Option(
        help="What counts once where memories are ranked over tasks.", rich_help_panel=_STATISTICS
    ),
]
PosthocOpt = Annotated[
    Literal["wilcoxon", "nemenyi", "reference"],
    typer.Option(help="Test of pairs of memories over tasks.", rich_help_panel=_STATISTICS),
]
ResampleOpt = Annotated[
    Literal["seeds", "tasks", "both"],
    typer.Option(help="What intervals of scores over tasks resample.", rich_help_panel=_STATISTICS),
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
TwoStageOpt = Annotated[
    bool,
    typer.Option(
        "--two-stage",
        help="One second look with more seeds was planned: half the level at each.",
        rich_help_panel=_STATISTICS,
    ),
]
PabOpt = Annotated[
    bool,
    typer.Option(
        "--pab",
        help="Decide who wins often enough to matter; takes 29 seeds.",
        rich_help_panel=_STATISTICS,
    ),
]
UnpairedOpt = Annotated[
    bool,
    typer.Option(
        "--unpaired",
        help="Equal seeds are no pairs: Welch's test.",
        rich_help_panel=_STATISTICS,
    ),
]
PublishedOpt = Annotated[
    str,
    typer.Option(
        metavar="auto|none|FILE",
        help="Published numbers to set beside ours.",
        rich_help_panel=_OUTPUT,
    ),
]
ParetoOpt = Annotated[
    bool,
    typer.Option(
        "--pareto", help="Show quality against state and read time instead.",
        rich_help_panel=_OUTPUT,
    ),
]  # fmt: skip
FormatOpt = Annotated[
    Literal["rich", "markdown", "latex", "html", "csv", "json"] | None,
    typer.Option(
        "--format",
        help="How it is printed; as the name of --output says, or rich.",
        rich_help_panel=_OUTPUT,
    ),
]
SpreadOpt = Annotated[
    Literal["ci", "sd", "sem", "none"] | None,
    typer.Option(
        help="What stands beside a mean: its 95% interval (default), the standard deviation over "
        "seeds, the standard error, or nothing.",
        rich_help_panel=_OUTPUT,
    ),
]
DigitsOpt = Annotated[
    int | None,
    typer.Option(
        min=0, max=15, metavar="N",
        help="Decimal places; as many as the spread supports if not given.",
        rich_help_panel=_OUTPUT,
    ),
]  # fmt: skip
TransposeOpt = Annotated[
    bool,
    typer.Option(
        "--transpose",
        help="A row per task and a column per memory in the overview.",
        rich_help_panel=_OUTPUT,
    ),
]
FileOpt = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file.", rich_help_panel=_OUTPUT
    ),
]
FiguresOpt = Annotated[
    Path | None,
    typer.Option(
        "--figures",
        metavar="DIR",
        help="Write figures to this folder: SVG, PNG, and their data as CSV.",
        rich_help_panel=_OUTPUT,
    ),
]
