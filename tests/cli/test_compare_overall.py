"""Ranks and scores over tasks in `memb compare`, through the real entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Memb
from tests.perf.large_runs import Size, write_run

BLOCKS, TASKS = 5, 10


@pytest.fixture(scope="module")
def suite_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three memories, clearly apart, on ten tasks in five blocks."""
    folder = tmp_path_factory.mktemp("suite") / "run"
    return write_run(folder, Size(memories=3, tasks=TASKS, seeds=5, metrics=1))


def outcome(memb: Memb, folder: Path, *words: str) -> tuple[dict[str, Any], list[str]]:
    done = memb("compare", folder, "--json", *words)
    assert (done.code, done.err) == (0, "")
    (found,) = done.json["overall"]
    return found, done.json["notes"]


def test_blocks_are_ranked_by_default(memb: Memb, suite_run: Path) -> None:
    found, notes = outcome(memb, suite_run)
    assert (found["by"], len(found["rows"]), len(found["tasks"])) == ("block", BLOCKS, TASKS)
    assert found["resample"] == "seeds"
    assert any("no pair of 3 memories could be told apart" in note for note in notes)


def test_rows_task_ranks_every_task(memb: Memb, suite_run: Path) -> None:
    found, _ = outcome(memb, suite_run, "--rows", "task")
    assert (found["by"], len(found["rows"])) == ("task", TASKS)
    assert len(found["pairs"]) == 3


@pytest.mark.parametrize(("posthoc", "pairs"), [("wilcoxon", 3), ("nemenyi", 3), ("reference", 2)])
def test_posthoc(memb: Memb, suite_run: Path, posthoc: str, pairs: int) -> None:
    found, _ = outcome(memb, suite_run, "--rows", "task", "--posthoc", posthoc)
    assert (found["posthoc"], len(found["pairs"])) == (posthoc, pairs)
    assert (found["critical_difference"] is not None) == (posthoc == "nemenyi")


@pytest.mark.parametrize("resample", ["seeds", "tasks", "both"])
def test_resample(memb: Memb, suite_run: Path, resample: str) -> None:
    found, notes = outcome(memb, suite_run, "--resample", resample)
    assert found["resample"] == resample
    assert any("10,000 bootstrap replicates" in note for note in notes)


@pytest.mark.parametrize("option", ["--rows", "--posthoc", "--resample"])
def test_an_unknown_choice_is_a_usage_error(memb: Memb, suite_run: Path, option: str) -> None:
    done = memb("compare", suite_run, option, "other")
    assert (done.code, done.out) == (2, "")
    assert option in done.err
