from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import bench
from bench.check import Policy, check, update
from bench.check.model import Cell
from bench.check.remeasure import remeasurement
from bench.check.run import Run
from bench.running import costs
from bench.tolerances import parsed
from tests.bench.small_runs import DRIFT, plan_of, suite_text

FASTER = 1e6
"""How much faster than they were the costs of the baseline are made."""
RELATIVE = parsed(["write_us=rel:0.25", "read_us=rel:0.25"])
"""No absolute tolerance: the events of a large batch take less than it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("timed")
    text = suite_text("linear-assoc", name="timed", seeds="3")
    (folder / "timed.yaml").write_text(text, encoding="utf-8")
    bench.run(folder / "timed.yaml", output=folder / "run")
    return folder / "run"


def timed(run: Path) -> list[Cell]:
    return [cell for cell in Run(run).cells(None, {}) if cell.kind == "perf"]


def counting(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the measurements by memory."""
    seen: Counter[str] = Counter()
    measure = costs.measure

    def counted(cell: Any, device: str) -> list[dict[str, Any]]:
        seen[cell.memory] += 1
        assert torch.get_num_threads() == 1
        return measure(cell, device)

    monkeypatch.setattr(costs, "measure", counted)
    return seen


def test_all_costs_of_a_memory_are_measured_once_and_together(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counting(monkeypatch)
    again = remeasurement(run)
    cells = timed(run)
    assert len(cells) == 4
    for cell in cells:
        found = again(cell)
        assert found is not None
        assert len(found.raw) == len(found.calibrated) == 10
        assert min(found.raw) > 0
    assert seen == {"linear-assoc": 1}


def test_another_machine_is_not_measured(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counting(monkeypatch)
    monkeypatch.setattr("bench.provenance._cpu", lambda: "Abacus 2")
    assert remeasurement(run)(timed(run)[0]) is None
    assert not seen


def test_a_metric_without_repeats_has_none_again(run: Path) -> None:
    count = replace(timed(run)[0], metric="floats_written", x=None)
    assert remeasurement(run)(count) is None


def test_a_check_that_gates_on_costs_fails_when_both_measurements_are_slower(
    run: Path, tmp_path: Path
) -> None:
    """The baseline's times are divided by a million, which no load of a machine makes up for."""
    file = tmp_path / "baseline.json"
    update(run, file)
    read = json.loads(file.read_text(encoding="utf-8"))
    for cell in read["cells"]:
        for kind, values in (cell["repeats"] or {}).items():
            cell["repeats"][kind] = [value / FASTER for value in values]
    file.write_text(json.dumps(read), encoding="utf-8")
    policy = Policy(perf="gate", tolerances=RELATIVE)
    (report,) = check(run, [file], policy, remeasure=remeasurement(run))
    found = {(one.cell.metric, one.cell.x): one for one in report.cells if one.cell.repeats}
    assert {one.verdict for one in found.values()} == {"regressed"}
    assert report.exit_code == 1
    (reported,) = check(run, [file], Policy(tolerances=RELATIVE))
    assert reported.exit_code == 0


def test_a_forecaster_with_a_memory_inside_is_measured_from_its_manifest(
    run: Path, tmp_path: Path
) -> None:
    """Its parameters come back from JSON."""
    memory = "{name: errorbank, params: {memory: {name: exact-knn, params: {k: 3}}}}"
    (planned,) = plan_of(tmp_path, suite_text(memory, DRIFT)).cells
    plain = json.loads(json.dumps(planned.describe()))
    known = ("memory", "memory_params", "task", "task_params")
    cell = replace(timed(run)[0], row_id="other", metric="observe_us", x=None)
    found = remeasurement(run)(replace(cell, **{name: plain[name] for name in known}))
    assert found is not None
    assert len(found.raw) == costs.ONLINE_REPEATS
