"""`memb merge` and `memb compare --published` through the real entry point."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.bench.small_runs import suite_text
from tests.cli.conftest import Memb, call

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two halves of the seeds of one suite, and a run with another setting."""
    root = tmp_path_factory.mktemp("halves")
    for name, memory, seeds in (
        ("low", "linear-assoc", "[0, 1]"),
        ("high", "linear-assoc", "[2, 3]"),
        ("other", "{name: linear-assoc, params: {decay: 0.5}}", "[0, 1]"),
    ):
        (root / f"{name}.yaml").write_text(suite_text(memory, seeds=seeds), encoding="utf-8")
        done = call("run", root / f"{name}.yaml", "-o", root / name, "--timeout", "0", "-q")
        assert done.code == 0, done.err
    return root


def test_two_runs_become_one_that_can_be_compared(memb: Memb, halves: Path) -> None:
    done = memb("merge", halves / "low", halves / "high", "-o", "all")
    assert (done.code, done.out) == (0, "")
    assert "2 runs: 1 memories, 1 task points, 4 trials" in done.err
    assert done.err.endswith("next: memb compare all\n")
    table = memb("compare", "all", "--json").json
    (row,) = table["sections"][0]["rows"]
    assert (row["n"], row["state"]) == (4, "complete")


def test_what_is_kept_apart_is_told_on_stderr_and_in_json(memb: Memb, halves: Path) -> None:
    done = memb("merge", halves / "low", halves / "other", "-o", "all", "--json")
    assert done.code == 0
    assert "kept apart: linear-assoc@other on capacity: differs: parameters (decay=0.5)" in done.err
    assert ESCAPE not in done.out + done.err
    found = done.json
    assert found["schema"] == "memb-merge/1"
    assert (found["trials"], found["memories"]) == (4, ["linear-assoc@low", "linear-assoc@other"])
    assert found["apart"][1] == {
        "label": "linear-assoc@other",
        "task": "capacity",
        "mark": "differs: parameters (decay=0.5)",
    }
    for format in ("markdown", "latex", "csv", "rich"):
        assert "differs: parameters (decay=0.5)" in memb("compare", "all", "--format", format).out


def test_quiet_says_nothing_and_json_is_all_there_is_on_stdout(memb: Memb, halves: Path) -> None:
    done = memb("merge", halves / "low", "-o", "one", "--slim", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert Path("one/records.jsonl.gz").is_file()
    assert memb("compare", "one").code == 0


def test_wrong_input_is_refused_with_a_remedy(memb: Memb, halves: Path) -> None:
    for words, said in (
        ((halves / "nowhere", "-o", "out"), "no run in"),
        ((halves / "low", "-o", halves / "high"), "is not empty"),
        ((halves / "low", halves / "low", "-o", "out"), "is named twice"),
    ):
        done = memb("merge", *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "help: " in done.err
    assert memb("merge", halves / "low").code == 2
    assert not Path("out").exists()


def test_a_contradiction_is_exit_2_and_names_trial_and_runs(
    memb: Memb, halves: Path, tmp_path: Path
) -> None:
    shutil.copytree(halves / "low", tmp_path / "edited")
    file = tmp_path / "edited" / "records.jsonl"
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    records[0]["metrics"][0]["value"] += 1
    file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    done = memb("merge", halves / "low", "edited", "-o", "out")
    assert done.code == 2
    for word in (records[0]["trial_key"], "linear-assoc on capacity", "low", "edited"):
        assert word in done.err


def test_published_numbers_of_a_file_stand_beside_ours(memb: Memb, halves: Path) -> None:
    Path("numbers.yaml").write_text(
        "task: capacity\n"
        "metrics: {capacity_90: items recalled}\n"
        "sources: {doe-2020: Doe 2020}\n"
        "results: [{name: Theirs, metric: capacity_90, value: 3, memory: linear-assoc, "
        "source: doe-2020}]\n",
        encoding="utf-8",
    )
    run = halves / "low"
    shown = memb("compare", run, "--published", "numbers.yaml")
    assert shown.code == 0
    assert "published capacity_90" in shown.out
    assert "fewer than 3 seeds" in shown.out
    assert "Source doe-2020: Doe 2020." in shown.out
    without = memb("compare", run, "--published", "none")
    assert "published capacity_90" not in without.out
    assert without.out == memb("compare", run).out
    found = memb("compare", run, "--published", "numbers.yaml", "--json").json
    assert found["published"][0]["rows"][0]["verdict"] == "n<3"


def test_a_wrong_file_of_published_numbers_is_exit_2(memb: Memb, halves: Path) -> None:
    Path("wrong.yaml").write_text("task: capacity\nresults: []\n", encoding="utf-8")
    for file, said in (("nowhere.yaml", "cannot read"), ("wrong.yaml", "wrong.yaml:1:1")):
        done = memb("compare", halves / "low", "--published", file)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
