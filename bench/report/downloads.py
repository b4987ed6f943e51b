"""All data of a report as files that its reader can save."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.compare.model import Comparison
from bench.compare.pareto import Front
from bench.report.model import AuditRow, Download, Mishap
from bench.report.provenance import calls
from bench.tables import csv_table, json_table, pareto

CSV, JSON = "text/csv", "application/json"
NUMBERS = (
    "task_label", "label", "memory", "metric", "unit", "direction", "kind", "x", "seed", "value",
    "n_eval", "status", "message", "trial_key", "run",
)  # fmt: skip


def downloads(
    frame: pd.DataFrame,
    comparison: Comparison,
    fronts: Sequence[Front],
    *,
    mishaps: Iterable[Mishap],
    audits: Sequence[AuditRow],
) -> tuple[Download, ...]:
    """The files, the most useful first; the same records give the same bytes."""
    stem = file_stem(comparison.suite or "report")
    found = [
        _text(f"{stem}.csv", "leaderboards, a line per comparison", csv_table.render(comparison)),
        _text(
            f"{stem}.json", "the same with the value of every seed", json_table.render(comparison)
        ),
        _text(f"{stem}-numbers.csv", "every number of the run, a line each", _numbers(frame)),
    ]
    if fronts:
        text = pareto.render(fronts, "csv")
        found.append(_text(f"{stem}-costs.csv", "quality, state, weights and times", text))
    if told := [asdict(mishap) for mishap in mishaps]:
        found.append(_text(f"{stem}-mishaps.json", "failed and skipped trials", _dump(told)))
    if any(row.verdicts for row in audits):
        found.append(
            _text(f"{stem}-audits.json", "laws tried", _dump([asdict(row) for row in audits]))
        )
    manifests = [{"path": run["path"], "calls": calls(run)} for run in comparison.runs]
    if manifests:
        about = "suite, plan, versions and machine of every call"
        found.append(_text(f"{stem}-provenance.json", about, _dump(manifests)))
    return tuple(found)


def compressed(content: bytes) -> bytes:
    """The bytes as gzip, without a time in it."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def file_stem(name: str) -> str:
    """The name with characters that file names should not have replaced by hyphens."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return kept.strip(".-") or "report"


def _text(name: str, about: str, text: str) -> Download:
    return Download(name, about, JSON if name.endswith(".json") else CSV, text.encode())


def _dump(value: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _numbers(frame: pd.DataFrame) -> str:
    out = io.StringIO()
    kept = [name for name in NUMBERS if name in frame.columns]
    # repr of a float is its shortest exact form; text is quoted where a comma or a line asks for it
    frame[kept].to_csv(out, index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    return out.getvalue()
