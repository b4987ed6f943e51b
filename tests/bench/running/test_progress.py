from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import runner
from bench.plan import Plan
from bench.running.block import Block, BlockResult
from bench.running.progress import Bar, Lines, Quiet, failures, line
from tests.bench.small_runs import HERE, lines, plan_of, suite_text


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, suite_text("linear-assoc\ndelta", seeds="3"))


def screen(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=200, color_system=None), file


def block(plan: Plan, index: int = 0) -> Block:
    cell = plan.cells[index]
    return Block(cell, tuple(cell.trials), "call", Path("run"))


def result(given: Block, *statuses: str) -> BlockResult:
    records: list[dict[str, Any]] = [
        {
            "kind": "trial",
            "label": given.cell.label,
            "task_label": given.cell.task_label,
            "seed": seed,
            "status": status,
            "message": "" if status == "ok" else "why",
            "trial_key": f"{seed}abcdefgh",
            "costs": {"state_floats": 4096.0} if status == "ok" else {},
        }
        for seed, status in zip(given.seeds, statuses, strict=True)
    ]
    return BlockResult(given, records, wall_s=1.26)


def test_a_line_tells_cell_counts_time_and_size(plan: Plan) -> None:
    told = line(result(block(plan), "ok", "ok", "ok"))
    assert told.split() == ["linear-assoc", "capacity", "3/3", "ok", "1.3", "s", "4,096", "floats"]


def test_a_line_tells_failures_of_one_reason_together(plan: Plan) -> None:
    told = line(result(block(plan), "error", "ok", "error"))
    assert "1/3 ok" in told
    assert told.endswith("FAILED seeds 0, 2 (trial 0abcde): error: why")
    both = line(result(block(plan), "error", "timeout", "ok"))
    assert "FAILED seed 0 (trial 0abcde): error: why" in both
    assert "FAILED seed 1 (trial 1abcde): timeout: why" in both


def test_a_deterministic_cell_fails_for_all_seeds(plan: Plan) -> None:
    records = result(block(plan), "error", "error", "error").records[:1]
    records[0]["seed"] = None
    (failure,) = failures(records)
    assert (failure.cell, failure.seeds) == ("linear-assoc on capacity", "all seeds")


def test_a_finished_block_is_one_plain_line_outside_a_terminal(plan: Plan) -> None:
    console, file = screen(terminal=False)
    shown = Lines(console)
    with shown.running(6, 0, [block(plan), block(plan, 1)]):
        shown.report(block(plan).key, 1, 2)
        shown.finished(result(block(plan), "ok", "ok", "ok"))
    assert file.getvalue() == line(result(block(plan), "ok", "ok", "ok")) + "\n"


def test_a_bar_counts_trials_and_shares_of_running_blocks(plan: Plan) -> None:
    console, _ = screen(terminal=True)
    bar = Bar(console)
    first, second = block(plan), block(plan, 1)
    completed = []

    def count() -> None:
        completed.append(bar._bar.tasks[0].completed)

    with bar.running(7, 1, [first, second]):
        count()
        bar.report(first.key, 50, 100)  # half of 3 lanes, and one cached: 2.5
        count()
        bar.report("another", 1, 1)
        bar.report(first.key, 0, 0)
        bar.finished(result(first, "ok", "error", "ok"))
        count()
        bar.report(second.key, 100, 100)
        count()
        for alone in second.alone():  # timed out as a block: each lane comes back by itself
            bar.finished(result(alone, "ok"))
        count()
        assert bar._words() == "running (1 FAILED) (1 cached)"
        assert bar._bar.tasks[0].total == 7
    assert completed == [1, 2, 4, 7, 7]


def test_a_bar_leaves_only_the_lines_behind(plan: Plan) -> None:
    console, file = screen(terminal=True)
    bar = Bar(console)
    with bar.running(6, 0, [block(plan)]):
        bar.finished(result(block(plan), "ok", "ok", "ok"))
    assert "linear-assoc" in file.getvalue()
    assert "\x1b[2K" in file.getvalue(), "the bar is wiped"


def test_a_run_reports_every_block_and_no_costs(tmp_path: Path, plan: Plan) -> None:
    console, file = screen(terminal=False)
    runner.run(plan, tmp_path / "run", HERE, Lines(console))
    assert len(file.getvalue().splitlines()) == len(plan.cells) == 2
    assert sum(r["kind"] == "costs" for r in lines(tmp_path / "run")) == 2


def test_quiet_shows_nothing(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Quiet()
    with quiet.running(3, 0, [block(plan)]):
        quiet.report(block(plan).key, 1, 2)
        quiet.finished(result(block(plan), "ok", "ok", "ok"))
    assert capsys.readouterr() == ("", "")
