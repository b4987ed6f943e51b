"""What was planned and where it ran, as a report prints it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench.compare.model import Comparison
from bench.report import plan, provenance
from bench.report.model import Fact, Report
from bench.tables.grid import Grid
from tests.bench.frames import ACCURACY, FrameBuilder


def texts(grid: Grid) -> list[list[str]]:
    return [[cell.text for cell in row] for row in grid.rows]


def test_parameters_that_tasks_change_show_every_value() -> None:
    made = FrameBuilder()
    for task, size in (("a", 16), ("b", 64)):
        made.cell("ring", [0.5], task=task, metric=ACCURACY, params={"size": size, "beta": 2.0})
    members = plan.members(made.frame(), ["ring"])
    assert texts(plan.memories(members)) == [["ring", "ring", "size = 16 | 64, beta = 2.0"]]


def test_a_task_names_its_seeds_and_tested_metrics(
    frame: pd.DataFrame, comparison: Comparison
) -> None:
    rows = texts(plan.tasks(frame, comparison))
    assert rows[0][:4] == ["recall[n=5]", "recall", "accuracy", "5 (0 to 4)"]
    assert [row[0] for row in rows] == ["recall[n=5]", "recall[n=50]", "drift", "noise"]


def test_seeds_are_counted_and_named() -> None:
    found = [plan.span(seeds) for seeds in ([], [3], [0, 1], [0, 2, 5], [0, 1, 2, 3])]
    assert found == ["none", "1 (3)", "2 (0, 1)", "3 (0, 2, 5)", "4 (0 to 3)"]


def test_the_options_of_the_comparison_are_printed(comparison: Comparison) -> None:
    found = plan.statistics(comparison.options)
    assert Fact("correction", "Holm") in found
    assert Fact("level", "0.05") in found
    assert Fact("reference", "base") in found


def test_the_run_at_a_glance(made: Report) -> None:
    found = {fact.name: fact.value for fact in made.glance}
    assert found == {
        "memories": "5",
        "task points": "4",
        "seeds": "5 (0 to 4)",
        "trials": "90",
        "without a value": "2 failed, 5 skipped by plan",
        "reference": "base",
    }


def call(call_id: str, **changes: Any) -> dict[str, Any]:
    known = {"memb": "0.1.0", "git": {"commit": "abc", "dirty": True}, "cores": 4,
             "command": ["memb", "run", "a suite"]}  # fmt: skip
    return {"call_id": call_id, "started": "2026-01-01T10:00:00+00:00",
            "ended": "2026-01-01T11:02:03+00:00", "jobs": 2, "timeout_s": None, "plan": [],
            "suite": {"description": "What it is."}, "provenance": known} | changes  # fmt: skip


def manifest(folder: Path, *calls: dict[str, Any]) -> list[dict[str, Any]]:
    value = {"schema": "memb-manifest/1", "calls": list(calls)}
    (folder / "manifest.json").write_text(json.dumps(value), encoding="utf-8")
    return [{"path": str(folder), "call_id": calls[-1]["call_id"]}]


def test_every_call_is_there_and_the_one_in_use_is_marked(tmp_path: Path) -> None:
    used = manifest(tmp_path, call("one", ended=None), call("two"))
    (run,) = provenance.runs(used)
    assert [(c.call_id, c.used) for c in run.calls] == [("one", False), ("two", True)]
    facts = {fact.name: fact.value for fact in run.calls[1].facts}
    assert run.calls[1].command == "memb run 'a suite'"
    assert facts["lasted"] == "1 h 2 min"
    assert facts["git"] == "abc with uncommitted changes"
    assert facts["time limit"] == "none"
    unfinished = {fact.name: fact.value for fact in run.calls[0].facts}
    assert unfinished["ended"].startswith("not ended")


def test_the_description_is_the_suite_s_own(tmp_path: Path) -> None:
    assert provenance.description(manifest(tmp_path, call("one"))) == "What it is."
