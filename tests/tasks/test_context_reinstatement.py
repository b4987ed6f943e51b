"""The same keys in several contexts."""

from __future__ import annotations

import pytest
import torch

from bench import registry
from memories.base import InvalidParameter
from tasks.context_reinstatement import ContextReinstatement
from tests.tasks.cells import cell, metric, numbers, run
from tests.tasks.recorders import Recorder


@pytest.mark.parametrize("memory", ["ring-attention", "ar-rag"])
def test_slots_that_ignore_contexts_mix_a_keys_values_in_equal_parts(memory):
    """Four independent values: cosine 1/sqrt(4) = .5 to each, chance among them; their own
    cosines of +-1/8 average out. Ties of four among 1,024 codes: accuracy 1/4.
    """
    outcomes = run(cell(memory, "context-reinstatement", {}, {"beta": 50.0}), [0, 1, 2])
    for outcome in outcomes:
        assert metric(outcome, "cosine") == pytest.approx(0.5, abs=0.01)
        assert metric(outcome, "acc_context") == pytest.approx(0.25, abs=1e-3)
        assert metric(outcome, "acc_code") == pytest.approx(0.25, abs=0.02)
        assert metric(outcome, "context_effect") == 0
        assert metric(outcome, "context_selectivity") == 0


def test_a_memory_that_uses_contexts_recalls_each_value_in_its_own():
    """beta w_c = 8 and orthogonal contexts: three rivals of weight e^-8 each, with recency off.

    Without the cue the four slots of a key weigh the same; with another's context the answer is
    that one's value, of cosine 0 to the wanted on average.
    """
    made = cell("episodic-linear", "context-reinstatement", {}, {"recency_weight": 0.0})
    for outcome in run(made, [0, 1]):
        assert metric(outcome, "acc_context") == metric(outcome, "acc_code") == 1
        assert metric(outcome, "cosine") > 0.99
        assert metric(outcome, "cosine_uncued") == pytest.approx(0.5, abs=0.01)
        assert metric(outcome, "acc_code_uncued") == pytest.approx(0.25, abs=0.02)
        assert metric(outcome, "context_effect") == pytest.approx(0.75, abs=0.02)
        assert metric(outcome, "context_selectivity") == pytest.approx(1, abs=0.03)


def test_a_memory_of_the_newest_value_is_right_in_one_context_of_four():
    """Each key's last event is in one of its contexts: exactly 1/4 of the queries."""
    (outcome,) = run(cell("exact-knn", "context-reinstatement"), [0])
    assert metric(outcome, "acc_code") == metric(outcome, "acc_context") == 0.25


def test_recalling_nothing_and_echoing_the_key_are_at_chance():
    """The echo answers all four events of a key alike: exactly one of them is nearest."""
    (zero,) = run(cell("zero", "context-reinstatement"), [0])
    assert metric(zero, "acc_context") == 0.25
    assert metric(zero, "acc_code") == 1 / 1024
    assert metric(zero, "cosine") == 0
    (echo,) = run(cell("echo", "context-reinstatement"), [0])
    assert metric(echo, "acc_context") == 0.25
    assert metric(echo, "acc_code") <= 8 / 640
    (primary,) = [m for m in echo.metrics if m.primary]
    assert (primary.name, primary.chance) == ("acc_context", 0.25)


class Contexts(Recorder):
    """Also notes the contexts of events and queries.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write.
    """

    given: list = []  # noqa: RUF012 - emptied by the test

    def write(self, state, keys, values, times=None, contexts=None):
        assert times is None
        self.given.append((keys, values, contexts))
        return super().write(state, keys, values)

    def read(self, state, queries, times=None, contexts=None):
        assert times is None
        self.given.append((queries, None, contexts))
        return super().read(state, queries)


def test_every_key_is_written_once_in_each_context_in_random_order(
    temporary_entries, no_storage_probe
):
    registry.memory("contexts", family="fake")(Contexts)
    Contexts.given.clear()
    settings = {"items": 5, "contexts": 3, "episodes": 1}
    run(cell("contexts", "context-reinstatement", settings), [0])
    (keys, values, contexts), (queries, _, cues), (_, _, uncued), (_, _, wrong) = Contexts.given
    assert uncued is None
    torch.testing.assert_close(cues[::5] @ cues[::5].T, torch.eye(3), rtol=0, atol=1e-6)
    assert torch.equal(wrong, cues.roll(-5, dims=0))
    cosine = contexts @ cues.T
    same = (keys @ queries.T > 0.999) & (cosine > 0.95)
    order = same.float().argmax(-1)
    assert torch.equal(same.sum(-1), torch.ones(15, dtype=torch.int64))
    assert sorted(order.tolist()) == list(range(15)) != order.tolist()
    assert len({tuple(value.tolist()) for value in values}) == 15
    Contexts.given.clear()


def test_it_needs_a_memory_that_uses_contexts():
    task = ContextReinstatement()
    assert task.requires() == {"hetero", "uses_context"}
    assert task.dictates() == {
        "key_dim": 64, "value_dim": 64, "context_dim": 16, "max_events": 32,
    }  # fmt: skip


def test_a_seed_alone_scores_as_it_does_in_a_block():
    made = cell("episodic-linear", "context-reinstatement", {"episodes": 3})
    together = run(made, [0, 1, 2])
    assert numbers(run(made, [2])[0]) == pytest.approx(numbers(together[2]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_impossible_designs_are_refused():
    with pytest.raises(InvalidParameter, match="contexts: there are no 17 orthonormal contexts"):
        ContextReinstatement(contexts=17)
    with pytest.raises(InvalidParameter, match="items: 8 keys in 4 contexts need 32 codes"):
        ContextReinstatement(pool=31)
