"""The routing page: its example is audited and run, its tables and names held to the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench import registry
from tasks.arc.families import FAMILIES, GROUP_OF, GROUPS
from tasks.arc.routing_events import PRESETS
from tests.bench.conftest import clean_plugins  # noqa: F401 - what the next one takes
from tests.cli.conftest import Memb, memb  # noqa: F401 - a fixture for the tests here too

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL))


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.fixture
def page(memb: Memb, tmp_path: Path) -> Memb:  # noqa: F811
    """`memb` in a folder that holds the files of the page."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return memb


COMMANDS = re.findall(r"^memb .*", section("A router of your own"), re.MULTILINE)


def test_the_router_of_the_page_keeps_the_laws(page: Memb) -> None:
    assert [shlex.split(command)[1] for command in COMMANDS] == ["audit", "run", "compare"]
    done = page(*shlex.split(COMMANDS[0])[1:])
    assert done.code == 0, done.err
    assert "BROKEN" not in done.out
    assert re.search(r"^ok +causality", done.out, re.MULTILINE)
    done = page("plan", "fading.yaml", "--plugin", "fading.py", "--json")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_router_of_the_page_is_run_and_compared(page: Memb) -> None:
    """With fewer episodes than the page has."""
    few = ["train=2", "test=1", "validation=1"]
    fewer = [f"--set=tasks.arc-routing.{size}" for size in few]
    fewer += [f"--set=tasks.arc-continual.{size}" for size in few[:2]]
    done = page(*shlex.split(COMMANDS[1])[1:], *fewer, "--seeds", "2")
    assert done.code == 0, done.err
    done = page(*shlex.split(COMMANDS[2])[1:])
    assert done.code == 0, done.err
    for label in ("nearest-centroid", "fading[keep=0.9]", "fading[keep=0.98]", "exact-knn"):
        assert len(re.findall(rf"^{re.escape(label)} +\S*\d", done.out, re.MULTILINE)) >= 2


def test_the_families_of_the_page_are_those_there_are() -> None:
    rows = re.findall(r"^\| (\w+) \| (`.*`) \|$", section("Families"), re.MULTILINE)
    shown = {group: re.findall(r"`([\w-]+)`", names) for group, names in rows}
    expected: dict[str, list[str]] = {group: [] for group in GROUPS}
    for family, group in zip(FAMILIES, GROUP_OF, strict=True):
        expected[GROUPS[group]].append(family.name)
    assert shown == expected


def test_the_presets_of_the_page_are_those_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d) \| ([\d.]+) \|$", TEXT, re.MULTILINE)
    assert {name: (int(k), float(sigma)) for name, k, sigma in rows} == PRESETS


def test_memories_and_tasks_that_the_page_names_exist() -> None:
    known = {*registry.names("memory"), *registry.names("task")}
    named = {
        "arc-routing", "arc-continual", "arc-retrieval", "label-bank", "random-routing",
        "majority", "nearest-centroid", "nearest-neighbours", "logistic-regression", "dense-moe",
        "hpm", "hpm-source", "hpm-static", "hpm-kv", "hpm-kv-trained",
    }  # fmt: skip
    assert named <= known
    assert all(f"`{name}`" in TEXT for name in named)


@pytest.mark.parametrize("suite", ["arc-routing", "arc-continual", "arc-real"])
def test_the_suites_of_the_page_can_be_planned(memb: Memb, suite: str) -> None:  # noqa: F811
    assert f"`{suite}`" in TEXT or f"run {suite}" in TEXT
    done = memb("plan", suite, "--json")
    assert done.code == 0, done.err
    told = {cell["note"] for cell in done.json["cells"]} - {None, ""}
    fine = ("runs once", "inside label-bank")
    assert [note for note in told if not any(words in note for words in fine)] == []
