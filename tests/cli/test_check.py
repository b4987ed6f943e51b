"""`memb check` as a user and a CI job call it: every exit code, stream and option."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import check as checks
from tests.bench.check.runs import RunBuilder
from tests.bench.small_runs import suite_text
from tests.cli.conftest import Memb, Result, call, environment

ESCAPE = "\x1b"
GATE = suite_text("linear-assoc\nexact-knn", name="gate", seeds="3")
CELLS = 14
"""Per memory a capacity, two counts, and four times: a write and a read of two sizes each."""
FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]
NOISY = [0.420, 0.409, 0.412, 0.402, 0.431]
WORSE = [0.430, 0.438, 0.425, 0.431, 0.445]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, its finished run and the baseline written from it."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "gate.yaml").write_text(GATE, encoding="utf-8")
    run = call("run", folder / "gate.yaml", "-o", folder / "run", "--timeout", "0", "-q")
    assert (run.code, run.out, run.err) == (0, "", "")
    written = call("check", folder / "run", "-b", folder / "base.json", "--update-baseline")
    assert (written.code, written.err) == (0, "")
    assert written.out.startswith(f"{folder / 'base.json'}: {CELLS} added, 0 removed, 0 changed")
    return folder


def quality(done: Result) -> list[dict[str, Any]]:
    """The cells of a report but timed ones."""
    return [cell for cell in done.json["cells"] if cell["kind"] != "perf"]


@pytest.fixture
def made(tmp_path: Path) -> Callable[[list[float]], tuple[Path, Path]]:
    """Makes a run of these losses and a baseline of `FIVE`: the paths of both."""

    def make(values: list[float]) -> tuple[Path, Path]:
        file = RunBuilder().row("m", FIVE).baseline(tmp_path / "made")
        return RunBuilder().row("m", values).write(tmp_path / "made" / "now"), file

    return make


def edit(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Change every record of a run; None drops it."""
    file = folder / "records.jsonl"
    read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kept = [changed for record in read if (changed := change(record)) is not None]
    file.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")


def worse(record: dict[str, Any]) -> dict[str, Any]:
    for metric in record["metrics"]:
        if metric["primary"]:
            metric["value"] = max(metric["value"] - 3 - 0.1 * (record["seed"] or 0), -10.0)
    return record


def test_a_run_is_identical_to_its_own_baseline(memb: Memb, gate: Path) -> None:
    done = memb("check", gate / "run", "--baseline", gate / "base.json", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["exit_code"] == 0
    assert {cell["detail"] for cell in quality(done)} == {"identical"}
    assert (len(done.json["cells"]), len(quality(done))) == (CELLS, 6)


def test_a_run_that_got_worse_exits_with_1(memb: Memb, gate: Path, tmp_path: Path) -> None:
    shutil.copytree(gate / "run", tmp_path / "run")
    edit(tmp_path / "run", worse)
    done = memb("check", tmp_path / "run", "-b", gate / "base.json", "--json")
    assert (done.code, done.json["exit_code"]) == (1, 1)
    assert done.json["cells"][0]["verdict"] == "regressed"
    shown = memb("check", tmp_path / "run", "-b", gate / "base.json")
    assert shown.code == 1
    assert "regressed" in shown.out
    assert ESCAPE not in shown.out + shown.err


def test_a_lost_record_is_told_and_too_few_seeds_exit_with_1(
    memb: Memb, gate: Path, tmp_path: Path
) -> None:
    shutil.copytree(gate / "run", tmp_path / "run")
    edit(tmp_path / "run", lambda r: None if (r["label"], r["seed"]) == ("exact-knn", 2) else r)
    done = memb("check", tmp_path / "run", "-b", gate / "base.json", "--json")
    assert done.code == 1
    lost = [cell for cell in done.json["cells"] if cell["detail"] == "missing-seeds"]
    assert {cell["label"] for cell in lost} == {"exact-knn"}


def test_a_suite_is_run_first_and_only_what_is_missing(
    memb: Memb, gate: Path, tmp_path: Path
) -> None:
    words = ("check", gate / "gate.yaml", "-b", gate / "base.json", "--timeout", "0", "--json")
    first = memb(*words)
    assert (first.code, first.json["exit_code"]) == (0, 0)
    assert "6 trials (0 cached)" in first.err
    assert (tmp_path / "results" / "gate" / "records.jsonl").exists()
    assert "6 trials (6 cached)" in memb(*words).err
    assert "6 trials (0 cached)" in memb(*words, "--fresh").err
    quiet = memb(*words, "-q", "-o", tmp_path / "elsewhere")
    assert (quiet.code, quiet.err) == (0, "")
    assert (tmp_path / "elsewhere" / "records.jsonl").exists()


def test_a_suite_with_more_seeds_is_held_against_the_common_ones(memb: Memb, gate: Path) -> None:
    words = ("check", gate / "gate.yaml", "-b", gate / "base.json", "--timeout", "0", "-q")
    done = memb(*words, "--seeds", "4", "--json")
    assert done.code == 0
    assert {cell["n"] for cell in quality(done)} == {3}


def test_without_a_path_the_newest_run_is_checked(memb: Memb, gate: Path, tmp_path: Path) -> None:
    shutil.copytree(gate / "run", tmp_path / "results" / "copied")
    done = memb("check", "-b", gate / "base.json", "--json")
    assert done.code == 0
    assert done.json["current"]["path"] == str(Path("results") / "copied")


def test_an_earlier_call_of_a_run_is_checked_by_its_plan(
    memb: Memb, gate: Path, tmp_path: Path
) -> None:
    words = ("run", gate / "gate.yaml", "-o", tmp_path / "run", "--timeout", "0", "-q")
    assert memb(*words).code == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert memb(*words, "--only", "exact-knn").code == 0
    latest = memb("check", "run", "-b", gate / "base.json", "--json")
    first = manifest["calls"][0]["call_id"]
    earlier = memb("check", "run", "-b", gate / "base.json", "--call", first, "--json")
    assert (latest.code, earlier.code) == (1, 0)
    missing = {cell["label"] for cell in quality(latest) if cell["detail"] == "missing"}
    assert missing == {"linear-assoc"}


def test_the_file_of_a_run_names_its_folder(memb: Memb, gate: Path) -> None:
    done = memb("check", gate / "run" / "records.jsonl", "-b", gate / "base.json", "--json")
    assert done.code == 0


def test_another_protocol_exits_with_2_naming_the_parameter(
    memb: Memb, gate: Path, tmp_path: Path
) -> None:
    text = GATE.replace("loads: [2, 4]", "loads: [2, 8]")
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    done = memb("check", "other.yaml", "-b", gate / "base.json", "--timeout", "0", "-q")
    assert (done.code, done.out) == (2, "")
    assert "task 'capacity' is not the one of the baseline" in done.err
    assert "loads: [2, 4] -> [2, 8]" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "RUN"], "name a baseline with --baseline FILE"),
        (["check", "RUN", "-b", "nowhere.json"], "no baseline nowhere.json"),
        (["check", "nowhere", "-b", "BASE"], "unknown suite 'nowhere'"),
        (["check", "no/where.yaml", "-b", "BASE"], "there is no suite file no/where.yaml"),
        (["check", "-b", "BASE"], "no run under results/"),
        (["check", "RUN", "-b", "BASE", "--seeds", "3"], "--seeds: for a suite that is run first"),
        (["check", "RUN", "-b", "BASE", "--fresh", "-j", "2"], "--jobs, --fresh: for a suite"),
        (["check", "RUN", "-b", "BASE", "--plugin", "a.py"], "--plugin: for a suite"),
        (["check", "RUN", "-b", "BASE", "--tolerance", "capacity_90"], "not a tolerance"),
        (["check", "RUN", "-b", "BASE", "--tolerance", "x=rel:1"], "--tolerance: unknown metric"),
        (["check", "RUN", "-b", "BASE", "--metric", "capacity_9"], "did you mean 'capacity_90'"),
        (["check", "RUN", "-b", "BASE", "--report", "xml=a.xml"], "not a report"),
        (["check", "RUN", "-b", "BASE", "--report", "junit"], "write FORMAT=PATH"),
        (["check", "RUN", "-b", "BASE", "--alpha", "0.9"], "--alpha must be between 0 and 0.5"),
        (["check", "RUN", "-b", "BASE", "--mode", "loose"], "loose"),
        (["check", "RUN", "-b", "BASE", "--call", "never"], "no call 'never'"),
        (["check", "gate.yaml", "-b", "BASE", "--call", "x"], "--call: for a finished run"),
        (["check", "RUN", "--update-baseline"], "--update-baseline writes one file"),
        (["check", "RUN", "-b", "a", "-b", "b", "--update-baseline"], "writes one file"),
        (
            ["check", "RUN", "-b", "a", "--update-baseline", "--report", "json=b"],
            "--update-baseline writes no report",
        ),
    ],
)
def test_wrong_input_exits_with_2_says_what_and_prints_no_data(
    words: list[str], said: str, memb: Memb, gate: Path
) -> None:
    named = {"RUN": gate / "run", "BASE": gate / "base.json"}
    done = memb(*(named.get(word, word) for word in words))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_baseline_is_read_before_a_suite_is_run(memb: Memb, gate: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    done = memb("check", gate / "gate.yaml", "-b", "broken.json")
    assert done.code == 2
    assert "not a baseline" in done.err
    assert not (tmp_path / "results").exists()


def test_open_cells_exit_with_3_only_if_asked(
    memb: Memb, made: Callable[[list[float]], tuple[Path, Path]]
) -> None:
    run, base = made(NOISY)
    assert memb("check", run, "-b", base).code == 0
    done = memb("check", run, "-b", base, "--fail-on", "inconclusive", "--json")
    assert (done.code, done.json["exit_code"]) == (3, 3)
    (cell,) = done.json["cells"]
    assert (cell["verdict"], cell["detail"]) == ("inconclusive", "noisy")
    assert cell["seeds_to_clear"] == 15


def test_the_options_of_the_rule_reach_it(
    memb: Memb, made: Callable[[list[float]], tuple[Path, Path]]
) -> None:
    run, base = made(NOISY)
    words = ("check", run, "-b", base, "--json")
    wide = memb(*words, "--tolerance", "mse=rel:0.10").json["cells"][0]
    assert (wide["verdict"], wide["delta"]) == ("ok", pytest.approx(0.04092))
    done = memb(*words, "--alpha", "0.4", "--two-stage", "--strict-margin", "--perf", "gate")
    policy = done.json["baselines"][0]["policy"]
    assert policy["alpha"] == 0.4
    assert policy["two_stage"] is True
    assert policy["strict_margin"] is True
    assert policy["perf"] == "gate"
    assert memb(*words, "--mode", "exact").code == 1
    better, base = made([value * 0.9 for value in FIVE])
    assert memb("check", better, "-b", base, "--mode", "exact").code == 1
    assert memb("check", better, "-b", base, "--mode", "exact", "--allow-improvement").code == 0


def test_exact_mode_on_another_machine_exits_with_2_unless_allowed(
    memb: Memb, tmp_path: Path
) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path / "made")
    other = RunBuilder().row("m", FIVE)
    other.provenance = {**other.provenance, "cpu": "Abacus 2"}
    run = other.write(tmp_path / "now")
    refused = memb("check", run, "-b", file, "--mode", "exact")
    assert (refused.code, refused.out) == (2, "")
    assert "machine_id" in refused.err
    allowed = memb("check", run, "-b", file, "--mode", "exact", "--allow-env-change")
    assert allowed.code == 0


def test_every_baseline_must_pass(
    memb: Memb, made: Callable[[list[float]], tuple[Path, Path]], tmp_path: Path
) -> None:
    run, good = made(FIVE)
    bad = RunBuilder().row("m", [v - 0.05 - 1e-4 * s for s, v in enumerate(FIVE)])
    anchor = bad.baseline(tmp_path / "anchor")
    assert memb("check", run, "-b", good).code == 0
    assert memb("check", run, "-b", good, "-b", anchor).code == 1


@pytest.mark.parametrize("format_", ["rich", "markdown", "junit", "json"])
def test_every_format_is_data_on_stdout_without_escape_codes(
    format_: str, memb: Memb, made: Callable[[list[float]], tuple[Path, Path]]
) -> None:
    run, base = made(WORSE)
    done = memb("check", run, "-b", base, "--format", format_)
    assert (done.code, done.err) == (1, "")
    assert "regress" in done.out
    assert ESCAPE not in done.out
    if format_ == "junit":
        assert ET.fromstring(done.out).find(".//failure") is not None
    if format_ == "json":
        assert done.json["schema"] == "memb-check/1"


def test_reports_are_written_beside_what_is_printed(
    memb: Memb, made: Callable[[list[float]], tuple[Path, Path]], tmp_path: Path
) -> None:
    run, base = made(WORSE)
    words = [f"--report={name}=build/{name}.txt" for name in ("rich", "markdown", "junit", "json")]
    done = memb("check", run, "-b", base, *words)
    assert done.code == 1
    for name in ("rich", "markdown", "junit", "json"):
        text = (tmp_path / "build" / f"{name}.txt").read_text(encoding="utf-8")
        assert "regress" in text
        assert ESCAPE not in text
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = memb("check", run, "-b", base, "--report", "json=file/report.json")
    assert (refused.code, refused.out) == (2, "")
    assert "cannot write the report" in refused.err


def test_verbose_lists_what_is_ok(memb: Memb, gate: Path) -> None:
    words = ("check", gate / "run", "-b", gate / "base.json", "--format", "rich")
    assert "exact-knn" not in memb(*words).out
    assert "exact-knn" in memb(*words, "-v").out


def test_a_cost_that_grew_fails_only_a_check_that_gates_on_costs_and_measures_again(
    memb: Memb, gate: Path, tmp_path: Path
) -> None:
    """Against a baseline of a thousandth of the time, whatever the load of this machine."""
    read = json.loads((gate / "base.json").read_text(encoding="utf-8"))
    for cell in read["cells"]:
        if cell["metric"] == "write_us" and cell["x"] == 1:
            for name, times in cell["repeats"].items():
                cell["repeats"][name] = [time / 1000 for time in times]
    (tmp_path / "fast.json").write_text(json.dumps(read), encoding="utf-8")
    words = ("check", gate / "run", "-b", tmp_path / "fast.json", "--json")
    reported, gated = memb(*words), memb(*words, "--perf", "gate")
    assert (reported.code, gated.code) == (0, 1)
    slower = [cell for cell in gated.json["cells"] if cell["verdict"] == "regressed"]
    assert {(cell["metric"], cell["x"]) for cell in slower} == {("write_us", 1.0)}
    assert all("slower twice" in cell["message"] for cell in slower)


def test_writing_a_baseline_tells_what_changes(memb: Memb, gate: Path, tmp_path: Path) -> None:
    shutil.copytree(gate / "run", tmp_path / "run")
    shutil.copy(gate / "base.json", tmp_path / "base.json")
    words = ("check", "run", "-b", "base.json", "--update-baseline")
    same = memb(*words)
    assert same.out == f"base.json: 0 added, 0 removed, 0 changed, {CELLS} unchanged\n"
    assert "up to date" in same.err
    assert (tmp_path / "base.json").read_bytes() == (gate / "base.json").read_bytes()
    edit(tmp_path / "run", worse)
    done = memb(*words, "--json")
    assert done.json["schema"] == "memb-baseline-change/1"
    assert len(done.json["changed"]) == 2
    assert memb("check", "run", "-b", "base.json").code == 0


def test_a_failed_run_is_no_baseline_unless_allowed(memb: Memb, tmp_path: Path) -> None:
    RunBuilder().row("m", [*FIVE[:4], "error"]).write(tmp_path / "run")
    words = ("check", "run", "-b", "base.json", "--update-baseline")
    refused = memb(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "m on recall: mse: error: it broke" in refused.err
    assert not (tmp_path / "base.json").exists()
    assert memb(*words, "--allow-failures").code == 0
    assert memb("check", "run", "-b", "base.json").code == 0


def test_a_metric_is_taken_on_demand(memb: Memb, gate: Path) -> None:
    words = ("-b", "curve.json", "--metric", "acc_code")
    assert memb("check", gate / "run", *words, "--update-baseline").code == 0
    done = memb("check", gate / "run", "-b", "curve.json", "--json")
    assert {(cell["metric"], cell["x"]) for cell in done.json["cells"]} == {
        ("acc_code", 2.0),
        ("acc_code", 4.0),
    }


def test_a_bug_exits_with_4(memb: Memb, gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(checks, "check", broken)
    done = memb("check", gate / "run", "-b", gate / "base.json")
    assert (done.code, done.out) == (4, "")
    assert "this is a bug in memb" in done.err


def test_an_interrupted_run_is_not_checked(
    memb: Memb, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import runner

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupt)
    done = memb("check", gate / "gate.yaml", "-b", gate / "base.json", "--timeout", "0")
    assert (done.code, done.out) == (130, "")
    assert "interrupted" in done.err


def test_a_check_through_a_process_of_its_own_gives_the_shell_its_exit_code(
    made: Callable[[list[float]], tuple[Path, Path]],
) -> None:
    run, base = made(WORSE)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "check", str(run), "-b", str(base), "--format", "markdown"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "regress" in done.stdout
