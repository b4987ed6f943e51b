"""Equal budgets, trained memories and trade-offs, as a user meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Memb

SIZED = """\
name: sized
seeds: 2
memories:
  - zero
  - ring-attention
  - linear-assoc
tasks:
  - {name: capacity, params: {dim: 8, loads: [2, 4], pool: 16, episodes: 1}, budget: [64, 256]}
reference: linear-assoc
"""


@pytest.fixture
def sized(memb: Memb) -> str:
    """A finished run in the current folder."""
    Path("sized.yaml").write_text(SIZED, encoding="utf-8")
    said = memb("run", "sized.yaml", "--timeout", "0", "--quiet")
    assert said.code == 0, said.err
    return "results/sized"


def test_a_table_of_a_budget_shows_how_full_it_is(memb: Memb, sized: str) -> None:
    said = memb("compare", sized, "--format", "markdown")
    assert said.code == 0
    assert "### capacity[budget=64]: capacity\\_90" in said.out
    assert "budget used" in said.out
    assert "not sized to the budget" in said.out


@pytest.mark.parametrize("format", ["rich", "markdown", "latex"])
def test_trade_offs_are_printed_in_every_format(memb: Memb, sized: str, format: str) -> None:
    said = memb("compare", sized, "--pareto", "--format", format)
    assert said.code == 0
    assert "state floats" in said.out
    assert "ring-attention" in said.out
    assert "\x1b" not in said.out


def test_trade_offs_as_data_hold_one_point_per_memory_and_size(memb: Memb, sized: str) -> None:
    (front,) = json.loads(memb("compare", sized, "--pareto", "--json").out)["fronts"]
    points = [(p["label"], p["state_floats"]) for p in front["points"]]
    assert sorted(points) == [
        ("linear-assoc", 64.0), ("linear-assoc", 256.0),
        ("ring-attention", 64.0), ("ring-attention", 256.0), ("zero", 0.0),
    ]  # fmt: skip
    text = memb("compare", sized, "--pareto", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 5
    assert all(float(row["read_us"]) > 0 for row in rows)


def test_a_plan_says_what_cannot_be_sized(memb: Memb) -> None:
    Path("sized.yaml").write_text(SIZED.replace("[64, 256]", "[15, 64]"), encoding="utf-8")
    said = memb("plan", "sized.yaml", "--json")
    cells = {(c["memory"], c["task"]): c for c in json.loads(said.out)["cells"]}
    note = cells["ring-attention", "capacity[budget=15]"]["note"]
    assert "must be >= 16, the size of one slot" in note


def test_a_memory_without_slow_weights_is_not_trained(memb: Memb) -> None:
    text = SIZED.replace("  - ring-attention", "  - {name: ring-attention, meta: quick}")
    Path("sized.yaml").write_text(text, encoding="utf-8")
    said = memb("run", "sized.yaml")
    assert said.code == 2
    assert "sized.yaml:5:34" in said.err
    assert "it has no slow weights to train" in said.err
    assert not Path("results").exists()
