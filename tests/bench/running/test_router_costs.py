"""What a router costs: learning and routing, timed and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.running import costs
from tests.bench.small_runs import plan_of, suite_text

ROUTING = "{name: arc-routing, params: {key_dim: 8, train: 2, few_shot: [1, 2]}}"
NAMES = {(name, x) for name in ("learn_us", "route_us") for x in (1.0, 256.0)}


def measured(folder: Path, memory: str, task: str = ROUTING):
    (cell,) = plan_of(folder, suite_text(memory, task)).cells
    return {(m["name"], m.get("x")): m for m in costs.measure(cell, "cpu")}


@pytest.mark.parametrize(
    ("memory", "written"),
    [
        # a code of 8 floats, a label and an id of two words each, of which at least one changes
        ("nearest-neighbours", (8, 12)),
        # one label's sum of 8 floats and its count
        ("nearest-centroid", (8, 9)),
        # a matrix [8, 24]: the column of one label
        ("linear-assoc", (8, 8)),
        ("random-routing", (0, 0)),
    ],
)
def test_a_router_is_timed_and_its_written_words_are_counted(
    tmp_path: Path, memory: str, written: tuple[int, int]
) -> None:
    found = measured(tmp_path, memory)
    assert set(found) == NAMES | {("floats_written", None)}
    assert all(found[name]["value"] > 0 for name in NAMES)
    assert {m["kind"] for m in found.values()} == {"perf"}
    lowest, highest = written
    assert lowest <= found["floats_written", None]["value"] <= highest


def test_a_router_trained_in_stages_is_measured_with_its_weights_in_the_state(
    tmp_path: Path,
) -> None:
    """Writing an event leaves the weights alone: a code twice, ids and times beside."""
    task = "{name: arc-continual, params: {key_dim: 8, train: 2}}"
    found = measured(tmp_path, "{name: hpm, params: {use_cross_attention: false}}", task)
    assert 4 * 8 <= found["floats_written", None]["value"] < 4 * 8 + 16
