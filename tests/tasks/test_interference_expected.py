"""What two lists do to each kind of memory: sizes of effects that follow from how it stores."""

from __future__ import annotations

import math

import pytest

from tests.tasks.cells import cell, metric, numbers, run

SAME_KEYS = {"similarity": 1.0}


def averaged(memory, task_params, memory_params=None, block=(0, 1, 2)):
    """Mean over seeds of every metric."""
    outcomes = run(cell(memory, "interference", task_params, memory_params), list(block))
    return {
        name: sum(numbers(o)[name, None] for o in outcomes) / len(outcomes)
        for name, _ in numbers(outcomes[0])
    }


@pytest.mark.parametrize("memory", ["ring-attention", "ar-rag", "episodic-linear"])
def test_slots_fall_from_one_to_the_cosine_of_an_even_mixture(memory):
    """From 1 to 1/sqrt 2 where both slots of a key weigh the same: an effect of .293, backwards
    as forwards. A key's two values have cosines of +-.125 themselves: within .01.
    """
    recency = {"recency_weight": 0.0} if memory == "episodic-linear" else {}
    seen = averaged(memory, SAME_KEYS, {"beta": 100.0, **recency})
    fall = 1 - 1 / math.sqrt(2)
    assert seen["retro_immediate_cos"] == pytest.approx(1, abs=1e-4)
    for name in ("retro_effect_cos", "retro_interference_cos", "pro_interference_cos"):
        assert seen[name] == pytest.approx(fall, abs=0.01)
    for name in ("retro_acc", "pro_acc"):
        assert seen[name] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("memory", ["linear-assoc", "ar-fast-weights"])
def test_sums_fall_from_the_leak_of_four_others_to_that_of_a_rival_and_eight(memory):
    """5 pairs at D = 32: 1/sqrt(1 + 4/32) = .943 before, 1/sqrt(2 + 8/32) = .667 after."""
    seen = averaged(memory, {"items": 5, "dim": 32, "similarity": 1.0, "episodes": 40})
    assert seen["retro_immediate_cos"] == pytest.approx(0.943, abs=0.01)
    for name in ("retro_acc_cos", "pro_acc_cos"):
        assert seen[name] == pytest.approx(0.667, abs=0.02)


@pytest.mark.parametrize(
    ("memory", "params"), [("delta", {}), ("ar-fast-weights", {"rule": "delta"}), ("ar-meta", {})]
)
def test_what_replaces_forgets_all_backwards_and_nothing_forwards(memory, params):
    """An unrelated second list leaves all of the first, one with its keys nothing of it."""
    seen = averaged(memory, SAME_KEYS, params)
    assert seen["retro_interference"] == pytest.approx(1, abs=0.01)
    assert seen["pro_interference"] == 0
    assert seen["pro_interference_cos"] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("cue", ["context", "time"])
@pytest.mark.parametrize("memory", ["episodic-linear", "ar-context-drift"])
def test_a_cue_given_back_restores_both_lists(memory, cue):
    """beta w = 8 for contexts at right angles, and for times far apart; recency off."""
    seen = averaged(memory, {**SAME_KEYS, "cue": cue}, {"recency_weight": 0.0})
    for name in ("retro_immediate", "retro_acc", "pro_acc"):
        assert seen[name] == 1
    assert seen["retro_effect"] == seen["retro_intrusion"] == 0
    assert seen["retro_acc_cos"] > 0.95


@pytest.mark.parametrize("preset", [{}, {"preset": "ar-source"}])
@pytest.mark.parametrize(
    "memory", ["ar-fast-weights-src", "ar-meta-src", "ar-rag-src", "ar-graph-src", "echo"]
)
def test_what_recalls_nothing_has_no_effect_and_none_to_interpret(memory, preset):
    """Immediate recall is below twice chance, 1 of 1,024 codes or of 10 stored values: 600 and
    300 queries over three seeds, of the tenth 30 +- 5 * 5.2 (neighbours of a query fall alike).
    """
    outcomes = run(cell(memory, "interference", preset), [0, 1, 2])
    assert all("not interpretable" in outcome.marks for outcome in outcomes)
    immediate = sum(metric(o, "retro_immediate") for o in outcomes) / 3
    assert immediate <= (0.19 if preset else 6 / 600)
    for name in ("retro_immediate_cos", "retro_effect_cos"):
        assert sum(metric(o, name) for o in outcomes) / 3 == pytest.approx(0, abs=0.05)
    assert sum(metric(o, "retro_effect") for o in outcomes) / 3 == pytest.approx(0, abs=0.06)
