"""Multi-query associative recall over vectors, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from bench import registry
from memories.base import InvalidParameter
from tasks.mqar_vectors import MqarVectors
from tests.memories import theory
from tests.tasks.cells import cell, curve, numbers, run
from tests.tasks.recorders import Recorder

TASK = "mqar-vectors"


def averaged(memory, task_params=None, memory_params=None, block=(0, 1, 2)):
    outcomes = run(cell(memory, TASK, task_params, memory_params), list(block))
    return {
        name: sum(numbers(o)[name, None] for o in outcomes) / len(outcomes)
        for name, x in numbers(outcomes[0])
        if x is None
    }


@pytest.mark.parametrize("items", [128, 256])
def test_the_linear_memory_recalls_as_theory_says(items):
    """Between the accuracy that ignores stored competitors and the one that counts them."""
    seen = averaged("linear-assoc", {"items": items, "episodes": 10})
    energy = theory.linear_error_energy(items, 64)
    plain = theory.decoding_accuracy(energy, 64, 1024)
    aware = theory.decoding_accuracy(energy, 64, 1024, stored=items, key_dim=64)
    assert seen["accuracy"] == pytest.approx((plain + aware) / 2, abs=0.03)
    assert seen["cosine"] == pytest.approx(theory.linear_cosine(items, 64), abs=0.02)


def test_the_delta_rule_keeps_rewritten_values_and_the_sum_does_not():
    """16 keys all written twice, D = 64: the sum's cosine to the newer is 1/sqrt(2 + 30/64) =
    .636, the delta rule's as of 16 pairs and a little less.
    """
    settings = {"items": 16, "rewrites": 16, "episodes": 40}
    linear = averaged("linear-assoc", settings)
    assert linear["cosine"] == pytest.approx(theory.linear_overwrite_cosine(16, 64), abs=0.02)
    delta = averaged("delta", settings)
    assert delta["cosine"] == pytest.approx(0.895, abs=0.02)
    assert delta["accuracy"] > 0.99
    assert delta["stale"] < 0.01
    assert linear["stale"] == pytest.approx(1 - linear["accuracy"], abs=0.02)
    assert "accuracy_kept" not in linear


def test_rewritten_and_kept_keys_are_told_apart():
    """Twice written, once rewritten: the sum stands two to one for the old value."""
    settings = {"items": 16, "rewrites": 4, "passes": 2}
    linear = averaged("linear-assoc", settings)
    assert linear["accuracy_kept"] > 0.99
    assert linear["accuracy_rewritten"] < 0.05
    assert linear["stale"] > 0.95
    mixed = (4 * linear["accuracy_rewritten"] + 12 * linear["accuracy_kept"]) / 16
    assert linear["accuracy"] == pytest.approx(mixed)
    exact = averaged("exact-knn", settings)
    assert exact["accuracy_rewritten"] == exact["accuracy_kept"] == 1
    assert exact["stale"] == 0


def test_passes_teach_the_delta_rule_and_leave_the_sum_as_it_is():
    """Repeated over N < D pairs the delta rule converges to the exact map; a sum taken four times
    over is the same direction.
    """
    once, often = (averaged("delta", {"items": 32, "passes": p}) for p in (1, 30))
    assert once["cosine"] < 0.87
    assert often["cosine"] > 0.99
    sums = [averaged("linear-assoc", {"items": 32, "passes": p}) for p in (1, 4)]
    assert sums[0]["cosine"] == pytest.approx(sums[1]["cosine"], abs=0.01)


def test_accuracy_by_gap_is_recency():
    """`last-value` knows the newest pair; a ring of 16 slots those up to gap 15."""
    (last,) = run(cell("last-value", TASK, {"items": 32}), [0])
    gaps = curve(last, "accuracy_by_gap")
    assert gaps == {0: 1, 1: 0, 2: 0, 4: 0, 8: 0, 16: 0}
    (ring,) = run(cell("ring-attention", TASK, {"items": 32}, {"capacity": 16, "beta": 50.0}), [0])
    gaps = curve(ring, "accuracy_by_gap")
    assert [gaps[low] for low in (0, 1, 2, 4, 8)] == [1] * 5
    assert gaps[16] <= 6 / 320


def test_recalling_nothing_and_echoing_the_key_are_at_chance():
    zero = averaged("zero", {"items": 32, "rewrites": 8, "episodes": 2})
    for name in ("accuracy", "accuracy_rewritten", "accuracy_kept", "stale"):
        assert zero[name] == pytest.approx(1 / 1024)
    assert zero["cosine"] == 0
    echo = averaged("echo")
    assert echo["accuracy"] <= 16 / 3840
    assert echo["cosine"] == pytest.approx(0, abs=5 / 8 / math.sqrt(3840))


def test_the_story_is_passes_then_rewrites_then_shuffled_queries(
    temporary_entries, no_storage_probe
):
    registry.memory("recorder", family="fake")(Recorder)
    Recorder.calls.clear()
    run(cell("recorder", TASK, {"items": 6, "rewrites": 3, "passes": 2, "episodes": 1}), [0])
    (_, _, keys, values), (_, count, queries, _) = Recorder.calls
    Recorder.calls.clear()
    assert (len(keys), count, len(queries)) == (15, 15, 6)

    def distinct(rows):
        return {tuple(row.tolist()) for row in rows}

    first, second, again = keys[:6], keys[6:12], keys[12:]
    assert len(distinct(first)) == 6
    assert distinct(first) == distinct(second) == distinct(queries)
    assert not torch.equal(first, second) and not torch.equal(first, queries)
    assert distinct(again) < distinct(first) and len(distinct(again)) == 3
    of_key = dict(zip(map(tuple, first.tolist()), values[:6].tolist(), strict=True))
    assert [of_key[tuple(key)] for key in second.tolist()] == values[6:12].tolist()
    assert len(distinct(values)) == 9
    assert not distinct(values[12:]) & distinct(values[:12])


def test_the_newest_value_is_asked_for_at_the_gap_since_it_was_written():
    task = MqarVectors(items=6, rewrites=2, passes=2, pool=32)
    keys, values, queries, book, targets, old, gaps = task._sequence(
        torch.Generator().manual_seed(4)
    )
    for query, target, before, gap in zip(queries, targets, old, gaps, strict=True):
        events = (keys == query).all(-1).nonzero().flatten().tolist()
        assert len(keys) - 1 - events[-1] == gap
        assert torch.equal(values[events[-1]], book[target])
        assert torch.equal(values[events[0]], book[before])
    assert (targets != old).sum() == 2


def test_a_seed_alone_scores_as_it_does_in_a_block():
    made = cell("delta", TASK, {"episodes": 3, "rewrites": 8})
    together = run(made, [0, 1, 2])
    assert numbers(run(made, [2])[0]) == pytest.approx(numbers(together[2]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_impossible_sequences_are_refused():
    with pytest.raises(InvalidParameter, match=r"rewrites: must be at most items \(4\), got 5"):
        MqarVectors(items=4, rewrites=5)
    with pytest.raises(InvalidParameter, match="items: 64 pairs and 4 rewrites need 68 codes"):
        MqarVectors(rewrites=4, pool=67)
    assert MqarVectors(passes=3, rewrites=4).dictates()["max_events"] == 196
