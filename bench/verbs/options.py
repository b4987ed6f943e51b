"""Options that several verbs share, and what the shell completes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SUITES = Path(__file__).resolve().parent.parent.parent / "suites"


def complete_suites(start: str) -> list[str]:
    """Shipped suites whose names begin so."""
    names = [file.stem for file in SUITES.glob("*.yaml")]
    return sorted(name for name in names if name.startswith(start))


def complete_memories(start: str) -> list[str]:
    """Memories whose names begin so; nothing is imported for it."""
    from bench import registry

    return [name for name in registry.names("memory") if name.startswith(start)]


def complete_tasks(start: str) -> list[str]:
    """Tasks whose names begin so; nothing is imported for it."""
    from bench import registry

    return [name for name in registry.names("task") if name.startswith(start)]


def complete_names(start: str) -> list[str]:
    """Memories, tasks and backbones whose names begin so."""
    from bench import registry

    return [n for kind in registry.KINDS for n in registry.names(kind) if n.startswith(start)]


SuiteArg = Annotated[
    str,
    typer.Argument(
        help="A suite file, or the name of a shipped suite.", autocompletion=complete_suites
    ),
]
SetOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change a value, e.g. tasks.online-tsf.dataset=sm-co2.",
        rich_help_panel="Selection",
    ),
]
SeedsOpt = Annotated[
    str | None,
    typer.Option(
        help="Seeds instead of the suite's: 3, 0,2,5 or 0..9.", rich_help_panel="Selection"
    ),
]
OnlyOpt = Annotated[
    list[str] | None,
    typer.Option(
        help="Run only what fits MEMORY, TASK or MEMORY:TASK (* matches).",
        rich_help_panel="Selection",
    ),
]
PluginOpt = Annotated[
    list[str] | None,
    typer.Option(
        help="A Python file or module with memories or tasks.", rich_help_panel="Selection"
    ),
]
DataDirOpt = Annotated[
    Path | None,
    typer.Option(help="Where data files are looked for first.", rich_help_panel="Selection"),
]
OutputOpt = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The run's folder; results/<suite name> if not given.",
        rich_help_panel="Output",
    ),
]  # fmt: skip
JsonOpt = Annotated[
    bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel="Output")
]
QuietOpt = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Output")
]
DeviceOpt = Annotated[
    str, typer.Option(help="Where trials run: cpu, cuda, cuda:1.", rich_help_panel="Execution")
]
