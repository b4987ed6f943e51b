"""Recall by position in a list."""

from __future__ import annotations

import pytest
import torch

from memories.base import InvalidParameter
from tasks.association.contexts import drifting_contexts, list_contexts
from tasks.serial_position import SerialPosition
from tests.memories import theory
from tests.tasks.cells import cell, curve, metric, numbers, run


@pytest.mark.parametrize("memory", ["ring-attention", "ar-rag", "episodic-linear"])
def test_a_ring_of_100_slots_has_lost_the_first_50_of_150_positions(memory):
    """The 50 lost values can only be hit by chance: 1,000 queries, .98 hits expected, more than
    9 once in 10^6 runs.
    """
    made = cell(memory, "serial-position", {"items": 150}, {"capacity": 100, "beta": 50.0})
    (outcome,) = run(made, [0])
    acc = curve(outcome, "acc_code")
    assert list(acc) == list(range(1, 151))
    assert sum(acc[position] for position in range(1, 51)) * 20 <= 9
    assert all(acc[position] == 1 for position in range(51, 151))
    assert metric(outcome, "recency") == 0
    assert metric(outcome, "primacy") == pytest.approx(-1, abs=0.05)
    assert metric(outcome, "acc_code_mean") == pytest.approx(100 / 150, abs=0.01)


def test_all_positions_of_a_list_that_fits_are_recalled():
    (outcome,) = run(cell("episodic-linear", "serial-position"), [0])
    assert set(curve(outcome, "acc_code").values()) == {1.0}
    assert metric(outcome, "recency") == metric(outcome, "primacy") == 0


def test_the_last_value_alone_is_recency_of_one_fifth():
    """Position N is right and no other: (1/5) at the end, 0 in the middle and at the start."""
    (outcome,) = run(cell("last-value", "serial-position"), [0])
    acc = curve(outcome, "acc_code")
    assert acc[20] == 1
    assert sum(acc.values()) == 1
    assert metric(outcome, "recency") == pytest.approx(1 / 5)
    assert metric(outcome, "primacy") == 0


def test_the_delta_rule_forgets_by_age():
    """Mean cosine at lag L about (1 - 1/D)^L / |r|, with the norm's own recursion."""
    settings = {"items": 128, "dim": 32}
    outcomes = run(cell("delta", "serial-position", settings), [0, 1, 2])
    energies = theory.delta_energies(128, 32)
    expected = sum(theory.delta_signal(127 - k, 32) / energies[k] ** 0.5 for k in range(128)) / 128
    seen = sum(metric(o, "cosine_mean") for o in outcomes) / 3
    assert seen == pytest.approx(expected, abs=0.02)
    assert all(metric(o, "recency") > 0.7 for o in outcomes)


def test_echoing_the_key_and_recalling_nothing_are_at_chance():
    (echo,) = run(cell("echo", "serial-position"), [0])
    assert metric(echo, "acc_code_mean") <= 6 / 400
    (zero,) = run(cell("zero", "serial-position"), [0])
    assert set(curve(zero, "acc_code").values()) == {1 / 1024}


DRIFT = {"context": "drift", "items": 40}


def test_a_context_recalls_its_own_event_and_then_its_neighbours():
    """Cued by context alone: at beta w_c = 50 the event itself; at 5 a mixture in which the
    neighbours' contexts, of cosine sqrt(1 - .16) = .92, weigh e^-.4 of it and far ones almost
    nothing, so that the curve falls with the lag on both sides.
    """
    settings = {"recency_weight": 0.0, "context_weight": 1.0}
    (sharp,) = run(
        cell("episodic-linear", "serial-position", DRIFT, {**settings, "beta": 50.0}), [0]
    )
    lags = curve(sharp, "contiguity")
    assert list(lags) == list(range(-5, 6))
    assert lags[0] == 1 and sum(lags.values()) == 1
    outcomes = run(
        cell("episodic-linear", "serial-position", DRIFT, {**settings, "beta": 5.0}), [0, 1]
    )
    for outcome in outcomes:
        lags = curve(outcome, "contiguity")
        assert lags[0] > lags[1] > lags[4]
        assert lags[0] > lags[-1] > lags[-4]
        assert sum(lags.values()) <= 1.01 * 40 / 35


def test_without_recall_every_lag_is_equally_likely():
    """A tie among all 40 values."""
    (outcome,) = run(cell("zero", "serial-position", DRIFT), [0])
    assert list(curve(outcome, "contiguity").values()) == pytest.approx([1 / 40] * 11)


def test_contexts_are_given_only_if_asked_for():
    assert SerialPosition().requires() == {"hetero"}
    assert SerialPosition().dictates()["context_dim"] == 0
    drifting = SerialPosition(context="drift", context_dim=7)
    assert drifting.requires() == {"hetero", "uses_context"}
    assert drifting.dictates()["context_dim"] == 7
    (outcome,) = run(cell("episodic-linear", "serial-position"), [0])
    assert curve(outcome, "contiguity") == {}


def test_a_seed_alone_scores_as_it_does_in_a_block():
    made = cell("episodic-linear", "serial-position", {**DRIFT, "episodes": 3})
    together = run(made, [0, 1, 2])
    assert numbers(run(made, [2])[0]) == pytest.approx(numbers(together[2]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_a_list_needs_as_many_codes_as_items():
    with pytest.raises(InvalidParameter, match="items: 30 items need 30 codes"):
        SerialPosition(items=30, pool=29)


def test_a_drifting_context_resembles_its_past_less_and_less():
    """Expected cosine over lag j about (1 - drift^2)^(j/2): .95, .87, .72 at drift .3 and lags 1,
    3, 7; in 64 dimensions over 2,000 steps within .02.
    """
    contexts = drifting_contexts(torch.Generator().manual_seed(0), 2000, 64, 0.3)
    torch.testing.assert_close(contexts.norm(dim=-1), torch.ones(2000), rtol=0, atol=1e-5)
    for lag in (1, 3, 7):
        cosine = (contexts[lag:] * contexts[:-lag]).sum(-1).mean().item()
        assert cosine == pytest.approx(0.91 ** (lag / 2), abs=0.02)


def test_the_contexts_of_lists_are_orthogonal_and_events_scatter_around_them():
    """Scatter .1 N(0, I/C): cosine to the list's context about 1/sqrt(1.01) = .995."""
    own, events = list_contexts(torch.Generator().manual_seed(0), 4, 200, 16)
    torch.testing.assert_close(own @ own.T, torch.eye(4), rtol=0, atol=1e-6)
    assert events.shape == (4, 200, 16)
    cosine = (events * own[:, None]).sum(-1)
    assert cosine.mean().item() == pytest.approx(1.01**-0.5, abs=0.001)
