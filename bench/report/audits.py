"""The laws each memory was tried on, from what `memb audit NAME --json` printed.

Nothing here imports torch: an audit is read, never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import MembError
from bench.report.model import AuditRow, LawVerdict

SCHEMA = "memb-audit/1"
OUTCOMES = ("held", "broken", "n/a")
REMEDY = "write one with 'memb audit NAME --json > NAME.json'"


@dataclass(frozen=True)
class Audit:
    """A saved audit.

    Attributes:
        memory: Registry name.
        params: Parameters it was built with.
        verdicts: One per law.
        backbone: The backbone it was tried on; may be empty.
        note: What it says of itself; may be empty.
    """

    memory: str
    params: Mapping[str, Any]
    verdicts: tuple[LawVerdict, ...]
    backbone: str = ""
    note: str = ""


@dataclass(frozen=True)
class Member:
    """A memory of the run, with each set of parameters that its tasks gave it."""

    label: str
    memory: str
    params: tuple[Mapping[str, Any], ...]


def read(paths: Iterable[Path]) -> tuple[Audit, ...]:
    """Saved audits: files, or folders whose ``*.json`` files are audits, in order of their names.

    Raises:
        MembError: If there is no such file, a folder holds none, or a file is no audit.
    """
    return tuple(_read(file) for path in paths for file in _files(path))


def parse(value: Any, place: str) -> Audit:
    """The audit that a JSON value describes.

    Raises:
        MembError: If it is none, naming `place`.
    """
    found = value.get("schema") if isinstance(value, Mapping) else None
    if found != SCHEMA:
        raise MembError(f"not an audit: schema {found!r}, not {SCHEMA!r}", place=place, help=REMEDY)
    try:
        verdicts = tuple(
            LawVerdict(str(v["law"]), str(v["claim"]), _outcome(v["outcome"]), str(v["detail"]))
            for v in value["verdicts"]
        )
        return Audit(
            memory=str(value["memory"]),
            params=dict(value["params"]),
            verdicts=verdicts,
            backbone=str(value.get("backbone") or ""),
            note=str(value.get("note") or ""),
        )
    except (KeyError, TypeError, ValueError) as err:
        raise MembError(f"not a whole audit: {err!r}", place=place, help=REMEDY) from err


def rows(members: Iterable[Member], audits: Sequence[Audit]) -> tuple[AuditRow, ...]:
    """One row per memory; the audit with its own parameters is preferred to another one."""
    return tuple(_row(member, audits) for member in members)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.json"))
    if not files:
        raise MembError("no audit here: no file ends in .json", place=str(path), help=REMEDY)
    return files


def _read(file: Path) -> Audit:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise MembError(
            f"cannot read the audit: {err.strerror or err}", place=str(file), help=REMEDY
        ) from err
    except ValueError as err:
        raise MembError(f"not an audit: {err}", place=str(file), help=REMEDY) from err
    return parse(value, str(file))


def _outcome(text: Any) -> str:
    if text not in OUTCOMES:
        raise ValueError(f"outcome {text!r}")
    return str(text)


def _row(member: Member, audits: Sequence[Audit]) -> AuditRow:
    named = [audit for audit in audits if audit.memory == member.memory]
    if not named:
        return AuditRow(member.label, member.memory, (), "")
    alike = [audit for audit in named if dict(audit.params) in map(dict, member.params)]
    chosen = (alike or named)[-1]
    return AuditRow(member.label, member.memory, chosen.verdicts, _note(chosen, member))


def _note(audit: Audit, member: Member) -> str:
    differing = [_differences(audit.params, params) for params in member.params]
    fewest = min(differing, key=len, default=())
    parts = [f"on {audit.backbone}" if audit.backbone else "", audit.note]
    if fewest:
        parts.append(f"with other parameters: {', '.join(fewest)}")
    return "; ".join(part for part in parts if part)


def _differences(audited: Mapping[str, Any], ran: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{name} {json.dumps(audited.get(name))}, in the run {json.dumps(ran.get(name))}"
        for name in dict.fromkeys((*audited, *ran))
        if audited.get(name) != ran.get(name)
    )
