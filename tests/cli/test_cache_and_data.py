from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.small_runs import SMALL
from tests.cli.conftest import Memb


def write(text: str, name: str = "suite.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_the_cache_is_shown_and_pruned(memb: Memb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd() / "cache"))
    empty = memb("cache", "list", "--json").json
    assert (empty["entries"], empty["root"]) == ([], str(Path.cwd() / "cache/memb/shared"))
    memb("run", write(SMALL), "--timeout", "0", "-q", "--seeds", "1")
    entries = {e["made"]: e for e in memb("cache", "list", "--json").json["entries"]}
    assert sorted(entries) == ["errors held against", "pre-trained backbone"]
    entry = entries["pre-trained backbone"]
    assert entry["seeds"] == 1
    assert "backbone" in entry["for"]
    assert "dlinear" in entry["for"]
    assert entry["key"] in memb("cache", "list").out
    assert "0 entries deleted" in memb("cache", "prune").err
    assert "2 entries deleted" in memb("cache", "prune", "--older-than-days", "0").err
    assert memb("cache", "list", "--json").json["entries"] == []


def test_datasets_are_listed(memb: Memb) -> None:
    found = {d["name"]: d for d in memb("data", "list", "--json").json["datasets"]}
    assert found["sm-co2"]["here"] == "yes"
    assert found["etth1"]["here"] == "no"
    assert {"etth1", "sm-co2", "synth-drift"} <= set(memb("data", "list").out.split())


def test_a_datasets_place_is_told_with_the_way_to_get_it(memb: Memb) -> None:
    Path("data").mkdir()
    told = memb("data", "path", "etth1", "--data-dir", "data")
    assert told.code == 0
    assert told.out == f"{Path.cwd()}/data/ETTh1.csv\n"
    assert told.err.strip()
    assert memb("data", "path", "synth-drift").out == "synth-drift needs no file\n"


@pytest.mark.parametrize("verb", ["path", "get", "verify"])
def test_an_unknown_dataset_is_refused_with_the_nearest(memb: Memb, verb: str) -> None:
    said = memb("data", verb, "ettth1")
    assert said.code == 2
    assert "etth1" in said.err


def test_a_dataset_that_differs_exits_1(memb: Memb) -> None:
    Path("data").mkdir()
    assert memb("data", "verify", "etth1", "--data-dir", "data").code == 1
    Path("data/ETTh1.csv").write_text("date,OT\n2016-07-01,1.0\n", encoding="utf-8")
    differs = memb("data", "verify", "etth1", "--data-dir", "data")
    assert (differs.code, differs.out) == (1, "")
    assert "mismatch" in differs.err


def test_a_verified_dataset_exits_0(memb: Memb, ett_dir: Path) -> None:
    assert memb("data", "verify", "etth1", "--data-dir", ett_dir).code == 0
