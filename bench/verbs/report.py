"""What `memb report` writes, and the audits it may run for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import console, documents
from bench.errors import MembError

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.audits import Audit
    from bench.report.model import Report

SCHEMA = "memb-report/1"
STDOUT = Path("-")


def audits_of(
    frame: pd.DataFrame, saved: Sequence[Path], *, run_them: bool, plugins: Sequence[str] | None
) -> tuple[Audit, ...]:
    """Saved audits, and after them those that are run now: of two alike the later is shown.

    Raises:
        MembError: If a file holds no audit, or a plug-in cannot be loaded.
    """
    from bench.report import audits

    found = audits.read(saved)
    return (*found, *_run_audits(frame, plugins)) if run_them else found


def _run_audits(frame: pd.DataFrame, plugins: Sequence[str] | None) -> Iterable[Audit]:
    """Every memory of the runs tried on the laws, with the parameters its suite gave it.

    A memory that cannot be audited is named on stderr; the page says that it was not.
    """
    from bench.verbs.run import load_plugins

    load_plugins(list(plugins) if plugins else None)
    import torch

    from bench.audit import audit
    from bench.report import audits

    torch.set_num_threads(1)
    done = []
    for name, params in _listed(frame):
        try:
            tried = audit(name, params)
        except MembError as reason:
            console.note(f"not audited: {name}: {reason}")
            continue
        value = {"schema": audits.SCHEMA, **asdict(tried)}
        done.append(audits.parse(value, f"audit of {name}"))
    return done


def _listed(frame: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Memories of the runs with the parameters that their suites list, each pair once."""
    from bench.report.provenance import calls

    found: list[tuple[str, dict[str, Any]]] = []
    for run in frame.attrs["runs"]:
        for call in calls(run):
            if call["call_id"] == run["call_id"]:
                for memory in call["suite"]["memories"]:
                    listed = memory["name"], dict(memory["params"])
                    found += [] if listed in found else [listed]
    return found


def write(report: Report, file: Path, *, json_: bool) -> None:
    """Put the page into a file, or on stdout for ``-``; say where it is.

    Raises:
        MembError: If the file cannot be written.
    """
    from bench.report import render

    content = render(report).encode()
    if file == STDOUT:
        if json_:
            raise MembError(
                "--json and the page cannot both go to stdout",
                help="name a file for the page with --output",
            )
        console.write(content.decode())
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        documents.save(file, content)
    except OSError as err:
        raise documents.refusal(err, "the report", place=str(file)) from err
    if json_:
        console.print_json(_summary(report, file, len(content)))
    else:
        console.note(f"wrote {file}, {len(content) / 1e6:.1f} MB: open it in any browser")


def _summary(report: Report, file: Path, size: int) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "file": str(file),
        "bytes": size,
        "title": report.title,
        "findings": [asdict(finding) for finding in report.findings],
        "figures": [plate.name for plate in report.plates],
        "figures_left_out": {fact.name: fact.value for fact in report.undrawn},
        "audits": {row.label: row.outcome for row in report.audits},
        "failed_trials": sum(mishap.trials for mishap in report.failures),
        "skipped_trials": sum(mishap.trials for mishap in report.skipped),
        "runs": [run.path for run in report.runs],
    }
