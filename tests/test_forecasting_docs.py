"""The forecasting page: its examples are run as a reader would run them, its tables held to it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import registry
from bench.reading import params
from memories.base import protocol_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "forecasting.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = r"<!-- file: (\S+) -->\n```\w+\n(.*?)```"
FILES: dict[str, str] = dict(re.findall(SHOWN, TEXT, re.DOTALL))
"""The files that the page shows, by the name it gives them."""
SETTING = r"`(\w+): ([^`]+)`"
FORMS = ("hmem-v1", "hmem-snma", "hmem-chrc", "hmem-adaptive", "hmem-multiscale")


def section(title: str) -> str:
    """The text between a heading of the page and the next one."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """Names that begin a row of a table."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def started(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def memb(command: str, folder: Path) -> str:
    """What a command prints."""
    done = started(["-m", "cli", *shlex.split(command)[1:]], folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands of the last section print, in order, and then the script of curves."""
    folder = tmp_path_factory.mktemp("reader")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    commands = [line for line in section("Try both").splitlines() if line.startswith("memb ")]
    found = {command: memb(command, folder) for command in commands}
    script = started(["curves.py"], folder)
    assert script.returncode == 0, script.stderr
    return {**found, "curves.py": script.stdout}


def test_the_examples_of_a_forecaster_and_a_backbone_are_files_of_about_forty_lines() -> None:
    for name in ("lead_bias.py", "two_layer.py"):
        assert len(FILES[name].splitlines()) <= 50


@pytest.mark.slow
def test_the_example_forecaster_keeps_every_law_on_the_example_backbone(
    outputs: dict[str, str],
) -> None:
    (audited,) = (text for command, text in outputs.items() if command.startswith("memb audit"))
    assert audited.startswith("lead-bias (forecaster, on two-layer)\n")
    assert "BROKEN" not in audited
    assert re.search(r"^ok +causality", audited, re.MULTILINE)


@pytest.mark.slow
def test_the_example_suite_says_what_the_page_says_of_it(outputs: dict[str, str]) -> None:
    (table,) = (text for command, text in outputs.items() if command.startswith("memb compare"))
    mse = {}
    for backbone in ("dlinear", "two-layer"):
        rows = table.split(f"elnino[backbone={backbone}]: mse, ", 1)[1].split("\n\n", 1)[0]
        mse[backbone] = {
            label: float(value) for label, value in re.findall(r"^(\S+) +([\d.]+)", rows, re.M)
        }
        assert set(mse[backbone]) == {"frozen", "ogd", "lead-bias"}
    weak, strong = mse["dlinear"], mse["two-layer"]
    assert weak["lead-bias"] < 0.75 * weak["frozen"]
    assert strong["lead-bias"] > 0.98 * strong["frozen"]
    assert strong["frozen"] < weak["frozen"]
    assert "pre-training of dlinear stopped at its cap, still improving" in table


@pytest.mark.slow
def test_the_script_reads_curves_series_and_reports(outputs: dict[str, str]) -> None:
    printed = outputs["curves.py"]
    header, _, *rows = printed.splitlines()
    points = [f"elnino[backbone={name}]" for name in ("dlinear", "two-layer")]
    assert header.split() == ["task_label", *points]
    last = rows[2].split()
    assert float(last[1]) > 0
    n = f"{float(last[0]):.0f}"
    assert re.search(rf"^{n} origins; the bias at \[100\..* {n}\.\]$", printed, re.MULTILINE)


@pytest.mark.slow
def test_the_published_forms_can_be_planned(tmp_path: Path) -> None:
    (tmp_path / "published.yaml").write_text(FILES["published.yaml"], encoding="utf-8")
    assert json.loads(memb("memb plan published.yaml --json", tmp_path))["trials"] == 12


def test_the_tables_name_every_forecaster_once() -> None:
    registered = [
        entry.name
        for entry in registry.entries("memory")
        if not entry.plugin and protocol_of(entry.cls) == "forecaster"
    ]
    named = first_cells(section("Forecasters")) + first_cells(section("H-Mem, part by part"))
    assert sorted(named) == sorted(registered)


def test_the_backbones_and_their_presets_are_those_that_ship() -> None:
    rows = section("Backbones and pre-training")
    shipped = [entry.name for entry in registry.entries("backbone") if not entry.plugin]
    assert sorted(first_cells(rows)) == sorted(shipped)
    for name in shipped:
        (row,) = re.findall(rf"^\| `{name}` \|(.*)$", rows, re.MULTILINE)
        own = params.of(registry.get("backbone", name))
        presets = next((list(p.choices) for p in own if p.name == "preset"), [])
        assert re.findall(r"`([^`]+)`", row.split("|")[1]) == presets


def defaults(name: str) -> dict[str, Any]:
    """A memory's parameters and their defaults."""
    return {p.name: p.default for p in params.of(registry.get("memory", name))}


def test_each_form_of_hmem_differs_in_the_settings_that_are_listed() -> None:
    current = defaults("hmem")
    for form in FORMS:
        own = defaults(form)
        differing = {name: value for name, value in own.items() if value != current[name]}
        (row,) = re.findall(rf"^\| `{form}` \| .*? \|(.*)\|$", TEXT, re.MULTILINE)
        listed = {name: yaml.safe_load(text) for name, text in re.findall(SETTING, row)}
        assert listed == differing


def test_what_brings_a_published_habit_back_is_a_setting_of_hmem() -> None:
    table = TEXT.split("| published | here |", 1)[1].split("\n\n", 1)[0]
    named = [name for name, _ in re.findall(SETTING, table)]
    assert len(named) >= 10
    assert set(named) <= set(defaults("hmem"))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_a_link_of_the_page_leads_somewhere(link: str) -> None:
    assert (PAGE.parent / link).exists()


@pytest.mark.parametrize(
    "suite", ["drift", "etth1", "etth1-backbones", "etth1-full", "hmem-ablation", "etth1-offline"]
)
def test_the_page_says_what_a_forecasting_suite_asks(suite: str) -> None:
    assert (ROOT / "suites" / f"{suite}.yaml").is_file()
    assert f"`{suite}`" in TEXT
