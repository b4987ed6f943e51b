"""Options of `memb run` and `memb plan`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

_EXECUTION = "Execution"

JobsOpt = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Worker processes.", rich_help_panel=_EXECUTION)
]
TimeoutOpt = Annotated[
    float,
    typer.Option(
        min=0,
        help="Seconds a block of seeds may take; 0 for no limit.",
        rich_help_panel=_EXECUTION,
    ),
]
CacheOpt = Annotated[
    Literal["only-missing", "never", "only-cache"],
    typer.Option(
        help="only-missing runs what is not done; never runs all again, keeping the old records "
        "aside; only-cache runs nothing.",
        rich_help_panel=_EXECUTION,
    ),
]
FreshOpt = Annotated[
    bool, typer.Option("--fresh", help="Same as --cache never.", rich_help_panel=_EXECUTION)
]
CheckpointOpt = Annotated[
    float,
    typer.Option(
        min=0, help="Seconds between check-points of a long block.", rich_help_panel=_EXECUTION
    ),
]
DryRunOpt = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel=_EXECUTION)
]
TrialOpt = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Run this one trial, in this process, storing nothing.",
        rich_help_panel=_EXECUTION,
    ),
]
DebugOpt = Annotated[
    bool,
    typer.Option("--debug", help="With --trial: print its traceback.", rich_help_panel=_EXECUTION),
]
VerboseOpt = Annotated[bool, typer.Option("--verbose", "-v", help="List every trial with its key.")]
ProbeOpt = Annotated[
    bool, typer.Option("--probe", help="Run the first moments of cells that were never timed.")
]
