"""Where the numbers of a report come from: every call of every run, as its manifest has it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.report.model import Call, Fact, Run
from bench.store import RunFolder

_SHOWN_APART = ("command", "git")


def runs(used: Iterable[Mapping[str, Any]]) -> tuple[Run, ...]:
    """The calls of each run.

    Args:
        used: Path and call_id of each run, as a frame's attribute ``runs`` has them.

    Raises:
        MembError: If a manifest cannot be read.
    """
    return tuple(
        Run(
            str(run["path"]),
            tuple(_call(entry, entry["call_id"] == run["call_id"]) for entry in calls(run)),
        )
        for run in used
    )


def calls(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifest's entries of one run, oldest first."""
    found: list[dict[str, Any]] = RunFolder(Path(run["path"])).manifest()["calls"]
    return found


def description(used: Iterable[Mapping[str, Any]]) -> str:
    """What the suites behind the runs say of themselves, each sentence once."""
    texts = [
        str(entry["suite"].get("description") or "")
        for run in used
        for entry in calls(run)
        if entry["call_id"] == run["call_id"]
    ]
    return " ".join(dict.fromkeys(text for text in texts if text))


def _call(entry: Mapping[str, Any], used: bool) -> Call:
    known = entry["provenance"]
    command = known.get("command") or []
    facts = {
        "started": entry.get("started"),
        "ended": entry.get("ended") or "not ended: stopped, or still running",
        "lasted": _lasted(entry),
        "cells planned": len(entry.get("plan", ())),
        "jobs": entry.get("jobs"),
        "time limit": _limit(entry.get("timeout_s")),
        "git": _commit(known.get("git")),
        **{name: value for name, value in known.items() if name not in _SHOWN_APART},
    }
    return Call(
        call_id=str(entry["call_id"]),
        command=shlex.join(map(str, command)),
        used=used,
        facts=tuple(
            Fact(name, str(value)) for name, value in facts.items() if value not in ("", None)
        ),
    )


def _lasted(entry: Mapping[str, Any]) -> str:
    started, ended = entry.get("started"), entry.get("ended") or entry.get("stopped")
    if not (started and ended):
        return ""
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _limit(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:g} s a block"


def _commit(git: Mapping[str, Any] | None) -> str:
    if not git:
        return "not a clone"
    return f"{git['commit']}{' with uncommitted changes' if git.get('dirty') else ''}"
