from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.running import construct, probe
from bench.verbs.outlook import outlook
from tests.bench.small_runs import plan_of, suite_text
from tests.tasks.cells import cell


class StubTask:
    """Reports as many steps as it is told to, then fails or ends."""

    def __init__(self, steps: int, failure: Exception | None = None) -> None:
        self.steps, self.failure = steps, failure

    def run(self, bench: Any) -> list[Any]:
        for done in range(1, self.steps + 1):
            bench.progress(done, 101)
        if self.failure is not None:
            raise self.failure
        return []


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that says 0 at the start and 2 s, 2.5 s, 3 s, ... at the reports that follow."""
    times = iter([0.0, *(2 + 0.5 * k for k in range(200))])
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(times))


def stub(monkeypatch: pytest.MonkeyPatch, task: Any) -> None:
    monkeypatch.setattr(construct, "build_task", lambda name, params: task)


def test_the_first_second_of_progress_is_extended_to_the_end(ticks, monkeypatch) -> None:
    """The first step is done after 2 s, the third after 3 s: 2 + 0.5 * 100 = 52 s for 101."""
    made = cell("zero", "capacity")
    stub(monkeypatch, StubTask(steps=101))
    assert probe.probe(made, "cpu") == pytest.approx(52.0)


def test_a_cell_that_ends_within_the_probe_took_what_it_took(ticks, monkeypatch) -> None:
    made = cell("zero", "capacity")
    stub(monkeypatch, StubTask(steps=2))
    assert probe.probe(made, "cpu") == pytest.approx(3.0)


class TwoParts:
    """Three steps of one kind of work, then 101 of another."""

    def run(self, bench: Any) -> list[Any]:
        for total in (3, 101):
            for done in range(1, total + 1):
                bench.progress(done, total)
        return []


def test_the_pace_of_one_part_of_the_work_is_not_taken_for_that_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps at 2, 2.2 and 2.4 s, then every 0.5 s from 3 s on: the first of 101 is done after 3 s,
    the third after 4 s, hence 3 + 0.5 * 100 = 53 s.
    """
    made = cell("zero", "capacity")
    times = iter([0.0, 2.0, 2.2, 2.4, *(3 + 0.5 * k for k in range(101))])
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(times))
    stub(monkeypatch, TwoParts())
    assert probe.probe(made, "cpu") == pytest.approx(53.0)


def test_a_cell_that_fails_is_unknown(ticks, monkeypatch) -> None:
    made = cell("zero", "capacity")
    stub(monkeypatch, StubTask(steps=1, failure=RuntimeError("broken")))
    assert probe.probe(made, "cpu") is None


def test_a_probed_plan_says_how_long_it_takes_and_stores_nothing(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc\ndelta"))
    seen = outlook(made, tmp_path / "nowhere", probe=True)
    assert all(c.seconds_left is not None and c.seconds_left > 0 for c in seen.cells)
    assert not (tmp_path / "nowhere").exists()
