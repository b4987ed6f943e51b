"""The page on spectral memory: its tables held to the code, its example run as a reader would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from bench import registry
from bench.audit import tokens
from bench.reading import params
from memories.base import protocol_of
from memories.spectral import heads
from memories.spectral.heads import HEADS
from tests.bench.conftest import clean_plugins  # noqa: F401 - what the next one takes
from tests.cli.conftest import Memb, memb  # noqa: F401 - a fixture for the tests here too

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "spectral.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL))
"""The files that the page shows, by the name it gives them."""
SETTING = r"`(\w+): ([^`]+)`"


def section(title: str) -> str:
    """The text between a heading of the page and the next one of its level or above."""
    level, after = re.split(rf"^(##+) {re.escape(title)}\n", TEXT, flags=re.MULTILINE)[1:]
    return re.split(rf"^##{{1,{len(level) - 1}}} ", after, flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, str]:
    """Rows of the tables that begin with a name, by that name, their headings left out."""
    body = re.sub(r"^\|.*\n(?=\|---)", "", text, flags=re.MULTILINE)
    return dict(re.findall(r"^\| `([\w-]+)` \|(.*)\|$", body, re.MULTILINE))


def defaults(name: str) -> dict[str, Any]:
    """A memory's parameters and their defaults."""
    return {p.name: p.default for p in params.of(registry.get("memory", name))}


def shipped() -> list[str]:
    """Names of the token memories that ship."""
    return [
        entry.name
        for entry in registry.entries("memory")
        if not entry.plugin and protocol_of(entry.cls) == "tokens"
    ]


def test_the_versions_are_all_token_memories_that_ship() -> None:
    named = re.findall(r"^\| `([\w-]+)` \|", section("The versions"), re.MULTILINE)
    assert sorted(named) == sorted(shipped())


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v4", "v4-kernel", "v4f", "readme"])
def test_each_version_differs_in_the_settings_that_are_listed(name: str) -> None:
    current, own = defaults("spectral"), defaults(f"spectral-{name}")
    differing = {key: value for key, value in own.items() if value != current[key]}
    row = rows(section("The versions"))[f"spectral-{name}"]
    assert {key: yaml.safe_load(text) for key, text in re.findall(SETTING, row)} == differing


def test_settings_that_the_page_names_are_parameters_with_such_values() -> None:
    own = {p.name: p for p in params.of(registry.get("memory", "spectral"))}
    table = section("What the memory holds, and when").split("\n\n")[0]
    named = dict.fromkeys(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert set(named) == {"train_memory", "resets", "memory_eval", "row_per"}
    values = set(re.findall(r"`([\w-]+)`", table)) - set(named) - {"true", "false"}
    assert values == {c for name in named for c in own[name].choices if isinstance(c, str)}
    for name, text in re.findall(SETTING, TEXT):
        if name in own and own[name].choices:
            assert yaml.safe_load(text) in own[name].choices, (name, text)


def test_heads_and_kernels_are_those_that_ship() -> None:
    assert list(rows(section("Heads"))) == list(HEADS)
    own = {p.name: p for p in params.of(registry.get("memory", "spectral"))}
    kernels = section("Kernels, and why no T x T matrix is formed")
    assert list(rows(kernels)) == list(own["kernel"].choices)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_heads_have_as_many_weights_as_the_page_says(
    head: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At K = 16, M = 4, d = 512; weights have no storage behind them: `dense` would take 671 MB."""

    def sized(inputs: int, outputs: int, _: torch.Generator, *, bias: bool = True) -> nn.Linear:
        return nn.Linear(inputs, outputs, bias=bias, device="meta")

    monkeypatch.setattr(heads, "linear", sized)
    module = HEADS[head](512, 16, 4, 0.1, torch.Generator())
    counted = sum(parameter.numel() for parameter in module.parameters())
    (said,) = re.findall(r"([\d,]+) $", rows(section("Heads"))[head])
    assert int(said.replace(",", "")) == counted


def test_the_laws_are_those_of_the_audit() -> None:
    named = re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| (`.*?) \|", section(
        "The laws of token memories"), re.MULTILINE)))  # fmt: skip
    assert sorted(named) == sorted(law.name for law in tokens.LAWS)


def test_the_example_is_a_file_of_about_forty_lines() -> None:
    assert list(FILES) == ["tokens.yaml", "slow_means.py"]
    assert len(FILES["slow_means.py"].splitlines()) <= 44


def commands() -> list[list[str]]:
    return [shlex.split(line)[1:] for line in TEXT.splitlines() if line.startswith("memb ")]


@pytest.fixture
def written(tmp_path: Path) -> None:
    """The page's files in the folder that `memb` runs in."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("written")
def test_the_example_keeps_every_law_and_its_suite_can_be_planned(
    memb: Memb,  # noqa: F811
) -> None:
    audit, run, _ = commands()
    audited = memb(*audit)
    assert audited.code == 0, audited.out
    assert audited.out.startswith("slow-means (tokens)\n")
    assert "BROKEN" not in audited.out
    assert re.search(r"^ok +batches", audited.out, re.MULTILINE)
    planned = memb("plan", *run[1:], "--json")
    assert planned.code == 0, planned.err
    assert planned.json["trials"] == 6 * 2 * 3


@pytest.mark.slow
@pytest.mark.usefixtures("written")
def test_the_example_is_run_beside_the_memories_that_ship(
    memb: Memb,  # noqa: F811
) -> None:
    _, run, compare = commands()
    assert memb(*run).code == 0
    table = memb(*compare).out
    for encoder in ("spectral-former", "itransformer"):
        assert f"encoder={encoder}" in table
    for label in ("spectral-null", "spectral-zero", "spectral", "time", "v4-kept", "slow-means"):
        assert re.search(rf"^ *{label} ", table, re.MULTILINE), label


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_a_link_of_the_page_on_spectral_memory_leads_somewhere(link: str) -> None:
    assert (PAGE.parent / link).exists()
