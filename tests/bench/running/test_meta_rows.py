"""A memory with slow weights in a suite: one row untrained, one meta-trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import runner
from bench.compare import compare
from bench.frame import load
from bench.running import metatraining
from bench.running.cache import Cache
from tests.bench.small_runs import HERE, lines, plan_of

SUITE = """\
name: trained
seeds: 3
memories:
  - linear-assoc
  - {name: ar-fast-weights, label: fast, params: {rule: delta, proj: learned}, meta: quick}
tasks:
  - {name: pair-recall, params: {dim: 8, items: 6, pool: 16, episodes: 2}, budget: 64}
  - {name: capacity, params: {dim: 8, loads: [2, 4], pool: 16, episodes: 1}, budget: 64}
"""
UNTRAINED, TRAINED = "fast", "fast[meta=quick]"


SHORT = replace(metatraining.BUDGETS["quick"], steps=10, episodes=4, validate_every=5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of the suite, a budget of ten steps, and a cache of its own."""
    folder = tmp_path_factory.mktemp("meta")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(metatraining, "BUDGETS", {"quick": SHORT})
        run(folder)
        yield folder


def run(folder: Path, text: str = SUITE, **options: Any) -> list[dict[str, Any]]:
    runner.run(plan_of(folder, text, **options), folder / "run", HERE)
    return lines(folder / "run")


def of(records: list[dict[str, Any]], label: str, task: str) -> dict[int, dict[str, Any]]:
    return {
        r["seed"]: r
        for r in records
        if (r["label"], r["task_label"], r["kind"]) == (label, task, "trial")
    }


def numbers(record: dict[str, Any]) -> list[tuple[str, float | None, float]]:
    return [(m["name"], m.get("x"), m["value"]) for m in record["metrics"]]


def test_meta_adds_a_trained_row_beside_the_untrained_one(finished: Path) -> None:
    records = lines(finished / "run")
    labels = list(dict.fromkeys(r["label"] for r in records))
    assert labels == ["linear-assoc", UNTRAINED, TRAINED]
    before, after = of(records, UNTRAINED, "pair-recall"), of(records, TRAINED, "pair-recall")
    assert {r["status"] for r in [*before.values(), *after.values()]} == {"ok"}
    assert any(numbers(before[seed]) != numbers(after[seed]) for seed in range(3))
    assert not {r["trial_key"] for r in before.values()} & {r["trial_key"] for r in after.values()}
    for record in after.values():
        story = record["notes"]["meta_training"]
        assert story["budget"] == "quick"
        assert len(story["validation"]) == 3
        assert story["validation"][story["best"]] == min(story["validation"])
        assert record["costs"]["meta_s"] > 0
    assert all("meta_training" not in record["notes"] for record in before.values())


def test_ranks_go_to_the_trained_row(finished: Path) -> None:
    for section in compare(load([finished / "run"])).sections:
        rows = {row.label: row for row in section.rows}
        assert rows[UNTRAINED].marks == ("untrained",)
        assert not rows[UNTRAINED].ranked
        assert rows[UNTRAINED].standing == ""
        assert rows[TRAINED].ranked
        assert rows[TRAINED].marks == ("trained on up to 32 events",)


def test_tasks_of_one_size_share_what_was_trained(finished: Path) -> None:
    (entry,) = Cache().entries()
    assert entry.key["made"] == "meta-trained weights"
    assert entry.seeds == (0, 1, 2)
    records = lines(finished / "run")
    pairs, curve = (of(records, TRAINED, task) for task in ("pair-recall", "capacity"))
    for seed in range(3):
        assert pairs[seed]["notes"]["meta_training"] == curve[seed]["notes"]["meta_training"]


def test_trained_weights_come_from_the_cache_and_give_the_same_numbers(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(metatraining, "train", never)
    second = run(tmp_path, only="*:pair-recall")
    ours = of(lines(finished / "run"), TRAINED, "pair-recall")
    theirs = of(second, TRAINED, "pair-recall")
    assert {s: numbers(r) for s, r in ours.items()} == {s: numbers(r) for s, r in theirs.items()}


def test_a_seed_trained_alone_is_the_seed_trained_among_others(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other seeds in the block change the rounding of its training, not more."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    alone = run(tmp_path, seeds="1,", only="*:pair-recall")
    ours, theirs = (
        of(records, TRAINED, "pair-recall")[1]["notes"]["meta_training"]["validation"]
        for records in (lines(finished / "run"), alone)
    )
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_what_a_training_warns_of_stands_below_the_table(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metatraining, "BUDGETS", {"quick": replace(SHORT, learning_rate=0.0)})
    run(tmp_path, only="*:pair-recall")
    text = "\n".join(compare(load([tmp_path / "run"])).notes)
    assert f"{TRAINED} on pair-recall: meta-training found nothing better" in text
