"""Options of `memb check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.verbs.options import complete_suites

_RULE = "Rule"
_SELECTION = "Selection"
_EXECUTION = "Execution"
_OUTPUT = "Output"

CurrentArg = Annotated[
    str | None,
    typer.Argument(
        help="A run folder, or a suite, which is run first; the newest run under results/ if none.",
        autocompletion=complete_suites,
    ),
]
BaselineOpt = Annotated[
    list[Path] | None,
    typer.Option(
        "--baseline", "-b", metavar="FILE", help="Baseline to hold against; every one must pass.",
        rich_help_panel=_SELECTION,
    ),
]  # fmt: skip
UpdateOpt = Annotated[
    bool,
    typer.Option(
        "--update-baseline", help="Write the baseline from this run instead of checking.",
        rich_help_panel=_SELECTION,
    ),
]  # fmt: skip
MetricOpt = Annotated[
    list[str] | None,
    typer.Option(
        help="Take this metric, its curve too, instead of primary ones, counts and timed costs.",
        rich_help_panel=_SELECTION,
    ),
]
CallOpt = Annotated[
    str | None,
    typer.Option(
        help="The plan of this call of a run instead of the latest.", rich_help_panel=_SELECTION
    ),
]
ModeOpt = Annotated[
    Literal["auto", "statistical", "exact"],
    typer.Option(
        help="auto tests what has 3 seeds; statistical refuses a baseline with fewer; exact wants "
        "identical values on an identical machine.",
        rich_help_panel=_RULE,
    ),
]
AlphaOpt = Annotated[
    float | None,
    typer.Option(help="Significance level; the baseline's if not given.", rich_help_panel=_RULE),
]
ToleranceOpt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=rel:0.02", help="Change that does not matter; abs: for the metric's units.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
StrictMarginOpt = Annotated[
    bool,
    typer.Option(
        "--strict-margin", help="Fail only what is provably worse by more than the tolerance.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
TwoStageOpt = Annotated[
    bool,
    typer.Option(
        "--two-stage", help="A second look with more seeds was planned: alpha/2 at each.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
FailOnOpt = Annotated[
    Literal["regressed", "inconclusive"],
    typer.Option(help="inconclusive cells exit with 3 if asked for.", rich_help_panel=_RULE),
]
PerfOpt = Annotated[
    Literal["report", "gate"],
    typer.Option(help="Whether slower cells fail the check.", rich_help_panel=_RULE),
]
AllowFailuresOpt = Annotated[
    bool,
    typer.Option(
        "--allow-failures", help="Let a baseline hold failed trials, as known failures.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
AllowEnvOpt = Annotated[
    bool,
    typer.Option(
        "--allow-env-change", help="Let exact mode compare other machines or versions.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
AllowImprovementOpt = Annotated[
    bool,
    typer.Option(
        "--allow-improvement", help="Let exact mode pass changes for the better.",
        rich_help_panel=_RULE,
    ),
]  # fmt: skip
JobsOpt = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=1, help="Worker processes of a suite.", rich_help_panel=_EXECUTION
    ),
]
TimeoutOpt = Annotated[
    float,
    typer.Option(
        min=0, help="Seconds a block of seeds may take; 0 for no limit.",
        rich_help_panel=_EXECUTION,
    ),
]  # fmt: skip
FreshOpt = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Run finished trials of a suite again.", rich_help_panel=_EXECUTION
    ),
]
FormatOpt = Annotated[
    Literal["rich", "markdown", "junit", "json"],
    typer.Option("--format", help="How it is printed.", rich_help_panel=_OUTPUT),
]
ReportOpt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FORMAT=PATH", help="Write a report too, e.g. junit=build/check.xml.",
        rich_help_panel=_OUTPUT,
    ),
]  # fmt: skip
VerboseOpt = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Show cells that are ok too.", rich_help_panel=_OUTPUT),
]
