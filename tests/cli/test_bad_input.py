"""Whatever is wrong with the input: exit code 2, the place, the finding, the remedy, no run."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.store import RunFolder
from tests.bench.small_runs import CAPACITY, DRIFT, TROUBLED, comparable, lines, suite_text, trials
from tests.cli.conftest import Memb, Result

GOOD = suite_text("linear-assoc\n{name: delta, params: {write_strength: 0.5}}")


def refused(memb: Memb, text: str, *words: str) -> Result:
    """`memb run` on a suite with this text, which must be refused before anything runs."""
    Path("suite.yaml").write_text(text, encoding="utf-8")
    said = memb("run", "suite.yaml", "--timeout", "0", *words)
    assert (said.code, said.out) == (2, ""), said
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert not Path("results").exists()
    return said


@pytest.mark.parametrize(
    ("old", "new", "finding", "place", "remedy"),
    [
        ("linear-assoc", "linear-asoc", "unknown memory 'linear-asoc'", "4:5", "'linear-assoc'?"),
        ("linear-assoc", "linear_assoc", "unknown memory 'linear_assoc'", "4:5", "'linear-assoc'?"),
        ("name: capacity", "name: capcity", "unknown task 'capcity'", "7:12", "'capacity'?"),
        ("pool: 16", "poool: 16", "poool", "7:54", "did you mean 'pool'?"),
        ("write_strength", "write_strenght", "write_strenght", "5:28", "'write_strength'?"),
        ("0.5", "fast", "must be a number, got 'fast'", "5:44", ""),
        ("dim: 8", "dim: 8.5", "dim of capacity", "7:36", ""),
        ("seeds: 2", "seeds: two", "seeds: must be a number of seeds", "2:8", ""),
        ("seeds: 2", "seed: 2", "unknown key 'seed'", "2:1", "did you mean 'seeds'?"),
        ("seeds: 2", "seeds: 2\nseeds: 3", "key 'seeds' stands twice", "3:1", ""),
        ("dim: 8", "dim: 8, dim: 16", "key 'dim' stands twice", "7:39", ""),
    ],
    ids=[
        "misspelt memory",
        "underscore",
        "misspelt task",
        "misspelt task parameter",
        "misspelt memory parameter",
        "wrong type of memory parameter",
        "wrong type of task parameter",
        "wrong type of key",
        "misspelt key",
        "duplicate key",
        "duplicate parameter",
    ],
)
def test_a_wrong_word_is_named_with_its_place_and_the_nearest(
    memb: Memb, old: str, new: str, finding: str, place: str, remedy: str
) -> None:
    assert GOOD.count(old) == 1
    said = refused(memb, GOOD.replace(old, new)).err
    assert finding in said
    assert f"--> suite.yaml:{place}" in said
    assert remedy in said


def test_all_problems_are_told_at_once(memb: Memb) -> None:
    text = GOOD.replace("linear-assoc", "linear-asoc").replace("dim: 8", "dim: x")
    said = refused(memb, text.replace("write_strength", "beta")).err
    assert said.startswith("error: 3 problems in suite.yaml")
    assert said.count("-->") == 3


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("name: a\nseeds: 2\nmemories: []\ntasks: []\n", "memories"),
        ("- a list\n", "suite.yaml:1:1"),
        ("name: [unclosed\n", "suite.yaml:"),
        ("name: a\n\tseeds: 2\n", "suite.yaml:2"),
        ("name: caf\udce9\n", "is not UTF-8"),
    ],
    ids=["empty", "comment", "empty lists", "list", "syntax", "tab", "latin-1"],
)
def test_a_file_that_is_no_suite_is_refused(memb: Memb, text: str, finding: str) -> None:
    Path("suite.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    said = memb("run", "suite.yaml")
    assert (said.code, said.out) == (2, "")
    assert finding in said.err


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("quikstart", "did you mean 'quickstart'?"),
        ("suites/nowhere.yaml", "there is no suite file suites/nowhere.yaml"),
        ("quickstart.yaml", "'quickstart' alone means the suite that ships with memb"),
    ],
)
def test_an_unknown_suite_is_refused(memb: Memb, name: str, remedy: str) -> None:
    said = memb("run", name)
    assert (said.code, said.out) == (2, "")
    assert remedy in said.err


def test_a_pair_without_meaning_is_refused(memb: Memb) -> None:
    said = refused(memb, suite_text("linear-assoc\npersistence")).err
    assert "memory 'persistence' (forecaster) cannot meet task 'capacity'" in said
    assert "--> suite.yaml:5:5" in said
    assert "tasks: [...]" in said


def stream(dataset: str) -> str:
    return suite_text("persistence", DRIFT.replace("synth-drift", dataset).replace(
        ", options: {rows: 300, channels: 2}", ""
    ))  # fmt: skip


def test_an_unknown_dataset_is_refused_with_the_nearest(memb: Memb) -> None:
    said = refused(memb, stream("sm-co")).err
    assert "unknown dataset 'sm-co'" in said
    assert "--> suite.yaml:6:" in said
    assert "sm-co2" in said


def test_a_missing_data_file_is_told_with_command_and_path(
    memb: Memb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd() / "cache"))
    Path("data").mkdir()
    said = refused(memb, stream("etth1"), "--data-dir", "data").err
    assert "dataset 'etth1' needs the file ETTh1.csv, which is not here" in said
    assert str(Path.cwd() / "data") in said
    assert "--set tasks.online-tsf.dataset=sm-co2" in said
    assert ("memb data get etth1" in said) or ("save " in said)


def test_another_dataset_may_take_its_place(memb: Memb) -> None:
    Path("suite.yaml").write_text(stream("etth1"), encoding="utf-8")
    words = ["--set", "tasks.online-tsf.dataset=sm-co2"]
    shown = memb("plan", "suite.yaml", *words, "--json")
    assert (shown.code, shown.json["trials"]) == (0, 1)


def test_a_data_folder_that_is_not_there_is_refused(memb: Memb) -> None:
    said = refused(memb, GOOD, "--data-dir", "nowhere").err
    assert "--data-dir: no folder nowhere" in said


@pytest.mark.parametrize(
    ("rows", "finding", "line"),
    [
        (["1.0"] * 200 + [""] + ["1.0"] * 200, "missing", 202),
        (["1.0"] * 200 + ["nan"] + ["1.0"] * 200, "missing", 202),
        (["1.0"] * 200 + ["many"] + ["1.0"] * 200, "holds text: 'many'", 202),
        (["1.0"] * 20, "rows", None),
        ([], "no rows", None),
    ],
    ids=["empty cell", "nan", "text column", "too few rows", "no rows"],
)
def test_a_csv_that_is_no_clean_series_is_refused(
    memb: Memb, rows: list[str], finding: str, line: int | None
) -> None:
    text = "load,other\n" + "".join(f"{row},2.0\n" for row in rows)
    Path("load.csv").write_text(text, encoding="utf-8")
    said = refused(memb, stream("load.csv")).err
    assert finding in said
    assert "--> suite.yaml:6:" in said
    if line is not None:
        assert f"load.csv:{line}" in said


BROKEN = "import os\n\ndef broken(:\n    pass\n"


def test_a_plugin_with_a_syntax_error_is_told_with_its_place(memb: Memb) -> None:
    Path("mine.py").write_text(BROKEN, encoding="utf-8")
    said = refused(memb, GOOD, "--plugin", "mine.py").err
    assert "plug-in mine.py does not parse" in said
    assert f"{Path.cwd()}/mine.py:3:12" in said


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("raise OSError('no licence')\n", "raised OSError: no licence"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("x = 1\n", "registers nothing"),
    ],
)
def test_a_plugin_that_does_not_load_is_told(memb: Memb, text: str, finding: str) -> None:
    Path("mine.py").write_text(text, encoding="utf-8")
    assert finding in refused(memb, GOOD, "--plugin", "mine.py").err


def test_a_plugin_that_is_not_there_is_told(memb: Memb) -> None:
    assert "does not exist" in refused(memb, GOOD, "--plugin", "mine.py").err


@pytest.fixture
def broken_package(memb: Memb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memb]:
    """An installed package announces a module that does not parse."""
    Path("memb_broken_package.py").write_text(BROKEN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    entry = importlib.metadata.EntryPoint("broken", "memb_broken_package", "memb.memories")
    plain = importlib.metadata.entry_points

    def announced(**wanted: str) -> object:
        return [entry] if wanted.get("group") == "memb.memories" else plain(**wanted)

    monkeypatch.setattr(importlib.metadata, "entry_points", announced)
    yield memb


def test_an_installed_plugin_that_is_broken_stops_nobody(broken_package: Memb) -> None:
    listed = broken_package("list", "tasks")
    assert listed.code == 0
    assert "capacity" in listed.out
    assert listed.err.startswith("warning: ")
    assert "memb_broken_package" in listed.err
    assert "does not parse" in listed.err


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("raise", "error", "ZeroDivisionError: division by zero"),
        ("nan", "nonfinite", "non-finite"),
        ("shape", "error", "read returned shape"),
    ],
)
def test_a_memory_that_fails_is_named_and_the_exit_code_says_so(
    memb: Memb, how: str, status: str, message: str
) -> None:
    Path("trouble.py").write_text(TROUBLED, encoding="utf-8")
    text = suite_text(
        f"{{name: troubled, label: bad, params: {{how: {how}, at: 1}}}}\nlinear-assoc"
    )
    Path("suite.yaml").write_text(text, encoding="utf-8")
    command = ["run", "suite.yaml", "--plugin", "trouble.py", "--timeout", "0"]
    done = memb(*command, "--json")
    assert done.code == 3
    assert done.json["statuses"] == {"ok": 3, status: 1}
    (failure,) = done.json["failures"]
    assert (failure["label"], failure["seed"], failure["status"]) == ("bad", 1, status)
    key = failure["trial_key"][:6]
    assert f"FAILED bad on capacity, seed 1 (trial {key}): {status}: " in done.err
    assert message in done.err
    again = " ".join(["memb", *command, "--json", "--trial", key, "--debug"])
    assert again in done.err, "the command that reruns it alone, ready to be copied"
    assert "Traceback" not in done.err
    alone = memb(*again.split()[1:])
    assert alone.code == 3
    assert ("Traceback" in alone.err) is (status == "error")
    shown = memb("compare", "results/small")
    assert shown.code == 0
    assert "bad" in shown.out


def test_a_memory_that_always_fails_is_told_once_for_all_its_seeds(memb: Memb) -> None:
    Path("trouble.py").write_text(TROUBLED, encoding="utf-8")
    Path("suite.yaml").write_text(
        suite_text("{name: troubled, params: {how: raise}}\nlinear-assoc"), encoding="utf-8"
    )
    done = memb("run", "suite.yaml", "--plugin", "trouble.py", "--timeout", "0", "--quiet")
    assert done.code == 3
    assert done.err.count("FAILED troubled on capacity, seeds 0, 1") == 1
    assert len(done.err.splitlines()) == 2


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write")
def test_a_read_only_results_folder_is_refused(memb: Memb) -> None:
    said = refused(memb, GOOD, "-q", "-o", "/proc/self/results")
    assert "cannot write to /proc/self/results" in said.err
    assert "--output" in said.err


def test_a_file_in_place_of_the_results_folder_is_refused(memb: Memb) -> None:
    Path("taken").write_text("", encoding="utf-8")
    assert "cannot write to taken" in refused(memb, GOOD, "-q", "-o", "taken").err


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to let a file of this process grow beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_exits_3_and_the_same_command_goes_on(memb: Memb) -> None:
    Path("suite.yaml").write_text(GOOD.replace("seeds: 2", "seeds: 9"), encoding="utf-8")
    command = ["run", "suite.yaml", "--timeout", "0", "-q", "-o"]
    memb(*command, "whole")
    first_block = sum(len(json.dumps(r)) for r in lines(Path("whole"))[:9])
    with no_file_larger_than(first_block * 3 // 2):
        full = memb(*command, "run")
    assert full.code == 3
    assert full.err.startswith("error: cannot write to run: ")
    assert "run the same command" in full.err
    assert {label for label, _, _ in trials(Path("run"))} == {"linear-assoc"}
    assert len(trials(Path("run"))) == 9
    assert memb(*command, "run").code == 0
    assert comparable(Path("run")) == comparable(Path("whole"))


def test_damaged_records_are_refused_with_their_line(memb: Memb) -> None:
    Path("suite.yaml").write_text(GOOD, encoding="utf-8")
    memb("run", "suite.yaml", "--timeout", "0", "-q", "-o", "run")
    file = RunFolder(Path("run")).records_file
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + b"\n" + whole)
    for words in (["run", "suite.yaml", "-o", "run"], ["compare", "run"]):
        said = memb(*words)
        assert said.code == 2
        assert "not a record" in said.err
        assert "--> run/records.jsonl:1" in said.err


def test_an_option_that_names_nothing_is_refused(memb: Memb) -> None:
    for words in (["--set", "tasks.capcity.pool=3"], ["--only", "nothing"], ["--seeds", "x"]):
        assert words[1].partition("=")[0] in refused(memb, GOOD, *words).err


def test_a_device_that_is_not_there_is_refused(memb: Memb) -> None:
    said = refused(memb, suite_text("linear-assoc", CAPACITY), "--device", "cuda:99")
    assert "--device cuda:99" in said.err
    assert "--device cpu" in said.err
