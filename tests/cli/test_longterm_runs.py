"""Token memories under `tsl-longterm` by the command line: bad input, marks, a kill on the way."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench.small_runs import comparable, lines, suite_text, trials
from tests.cli.conftest import Memb, Start
from tests.cli.test_interruption import kept_at
from tests.tasks.streams import walk, write_csv

HERE = ("--timeout", "0")


def task(**params: Any) -> str:
    """An entry of a suite: small windows of `sm-co2` unless told otherwise."""
    encoder = {"name": "spectral-former", "params": {"width": 8, "heads": 2, "feedforward": 8}}
    chosen = {"horizon": 4, "lookback": 16, "encoder": encoder, "epochs": 1, "stride": 16}
    return json.dumps({"name": "tsl-longterm", "params": chosen | params})


FEW = '{"components": 3, "tokens": 2}'


@pytest.mark.parametrize(
    ("memory", "params", "finding", "place", "remedy"),
    [
        ("spectral", {"encoder": "dlinear"}, "'dlinear' takes no memory tokens", "encoder",
         "take spectral-former or itransformer"),
        ("spectral", {"lookback": 20}, "patch of spectral-former must divide the lookback (20)",
         "tasks[0].params.encoder", "a multiple of the patch"),
        ("spectral", {"horizon": 900}, "validation has 230 rows, the horizon is 900",
         "tasks[0].params.dataset", "horizon <= 230"),
        ("spectral", {"dataset": "eth1"}, "unknown dataset 'eth1'", "tasks[0].params.dataset",
         "did you mean 'etth1'?"),
        ("spectral", {"options": {"protocol": "online"}}, "'protocol' is no option of a dataset",
         "tasks[0].params.options", ""),
        ("spectral", {"semantics": "published"}, "must be 'stream' or 'as-published'",
         "tasks[0].params.semantics", "did you mean 'as-published'?"),
        ("spectral", {"horizon": 24, "drop_last_test": True, "dataset": "walk.csv"},
         "leaves no window to test on: there are 25, a batch is 32",
         "tasks[0].params.drop_last_test",
         "lower the horizon"),
        ("delta", {}, "'delta' (associative) cannot meet task 'tsl-longterm'", "suite.yaml:4:5",
         "limit the memory to other tasks"),
        ("{name: plain-backbone, params: {backbone: {name: patchtst, params: {patch: 99}}}}", {},
         "patch of patchtst must be <= lookback (16), got 99", "memories[0].params.backbone",
         "shorter patch"),
        ("{name: spectral, params: {kernel: exp}}", {}, "'anchor' reads directions",
         "memories[0].params.head", "or a data kernel"),
    ],
    ids=["encoder", "patch", "horizon", "dataset", "option", "semantics", "drop-last",
         "associative", "plain backbone", "memory"],
)  # fmt: skip
def test_what_cannot_be_run_is_told_with_place_and_remedy(
    memb: Memb, memory: str, params: dict[str, Any], finding: str, place: str, remedy: str
) -> None:
    write_csv(Path("walk.csv"), walk(0))
    Path("suite.yaml").write_text(suite_text(memory, task(**params)), encoding="utf-8")
    said = memb("run", "suite.yaml", *HERE)
    assert (said.code, said.out) == (2, ""), said
    assert said.err.startswith("error: ")
    assert finding in said.err
    assert place in said.err
    assert remedy in said.err
    assert not Path("results").exists()


MEMORIES = f"""{{name: spectral-v4, params: {FEW}}}
{{name: spectral, params: {FEW}}}
spectral-null"""


def test_a_run_records_marks_and_phases(memb: Memb) -> None:
    """217 rows are 198 training windows, each eighth of them 25, in one batch; 59 of the test."""
    write_csv(Path("walk.csv"), walk(0, rows=310))
    text = suite_text(MEMORIES, task(dataset="walk.csv", stride=8), seeds="1")
    Path("suite.yaml").write_text(text, encoding="utf-8")
    done = memb("run", "suite.yaml", "-o", "run", *HERE, "--json")
    assert (done.code, done.json["statuses"]) == (0, {"ok": 3}), done.err
    found = trials(Path("run"))
    marked = {label for (label, _, _), record in found.items() if record["marks"]}
    assert marked == {"spectral-v4"}
    for (label, _, _), record in found.items():
        assert record["n_eval"] == 59
        phases = record["notes"]["memory"]["phases"]
        held = [phase["rows"] for phase in phases]
        if label == "spectral-v4":
            assert held == [[0, 1], [0, 0], [0, 0]]
        elif label == "spectral":
            assert held[0] == [0, 25]
            assert held[2][1] > held[2][0] > held[1][0] >= 25
        else:
            assert held == []
    table = memb("compare", "run")
    assert table.code == 0
    assert "memory empty at test" in table.out


LONG = task(dataset="walk.csv", epochs=16, stride=1, learning_rate=0.001)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("memory", "jobs"),
    [("spectral-v4", ()), ("spectral", ("--jobs", "1"))],
    ids=["in process", "in a worker"],
)
def test_a_killed_training_ends_with_the_same_records(
    memb: Memb, start: Start, memory: str, jobs: tuple[str, ...]
) -> None:
    write_csv(Path("walk.csv"), walk(0, rows=1200))
    text = suite_text(f"{{name: {memory}, params: {FEW}}}", LONG)
    Path("suite.yaml").write_text(text, encoding="utf-8")
    assert memb("run", "suite.yaml", "-o", "whole", *HERE, "-q").code == 0
    run = Path.cwd() / "run"
    limit = jobs or HERE
    process = start("run", "suite.yaml", "-o", "run", *limit, "--checkpoint-every", "0")
    process.wait_for(lambda: kept_at(run) >= 40)
    assert process.signal(signal.SIGKILL, group=True).code == -signal.SIGKILL
    assert not (run / "records.jsonl").exists() or not lines(run), "the kill came too late"
    assert kept_at(run) >= 40
    assert memb("run", "suite.yaml", "-o", "run", *HERE).code == 0
    assert comparable(run) == comparable(Path("whole"))
    series = sorted(Path("whole").glob("series/**/*.npz"))
    assert len(series) == 2
    for file in series:
        with np.load(file) as expected, np.load(run / file.relative_to("whole")) as seen:
            assert seen.files == expected.files
            assert all(np.array_equal(seen[name], expected[name]) for name in expected.files)
