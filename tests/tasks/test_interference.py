"""What two lists do to each other, against what is known of simple memories."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from bench import registry, seeds
from memories.base import AssociativeMemory, InvalidParameter, State
from tasks.interference import Interference
from tests.memories import theory
from tests.tasks.cells import cell, metric, numbers, run
from tests.tasks.recorders import Gone, Recorder

SAME_KEYS = {"similarity": 1.0}


def averaged(memory, task_params, memory_params=None, block=(0, 1, 2)):
    """Mean over seeds of every metric."""
    outcomes = run(cell(memory, "interference", task_params, memory_params), list(block))
    return {
        name: sum(numbers(o)[name, None] for o in outcomes) / len(outcomes)
        for name, _ in numbers(outcomes[0])
    }


@pytest.mark.parametrize("memory", ["ring-attention", "ar-rag"])
def test_slots_mix_both_values_of_a_key_and_forget_symmetrically(memory):
    """Two slots with one key: the read is the mean of two independent values.

    Cosine 1/sqrt 2 to either (.707, their own cosine of +-.125 averages out), a tie between two
    codes: accuracy .5, intrusions .5. Before the second list, and after an unrelated one, recall
    is perfect: both effects are .5.
    """
    seen = averaged(memory, SAME_KEYS, {"beta": 100.0})
    assert seen["retro_immediate"] == 1
    assert seen["retro_control"] == 1
    assert seen["retro_acc_cos"] == pytest.approx(1 / math.sqrt(2), abs=0.01)
    assert seen["pro_acc_cos"] == pytest.approx(1 / math.sqrt(2), abs=0.01)
    for name in ("retro_acc", "pro_acc", "retro_intrusion", "pro_intrusion"):
        assert seen[name] == pytest.approx(0.5, abs=0.05)
    assert seen["retro_effect"] == pytest.approx(0.5, abs=0.05)
    assert seen["retro_interference"] == pytest.approx(seen["pro_interference"], abs=0.05)


def test_delta_keeps_the_second_list_and_loses_the_first():
    """The delta rule replaces: A-B is gone, A-C stands, and its answers to A are C's."""
    seen = averaged("delta", SAME_KEYS)
    assert seen["retro_immediate"] == 1
    assert seen["retro_acc"] < 0.01
    assert seen["retro_intrusion"] == 1
    assert seen["pro_acc"] == 1
    assert seen["pro_interference"] == 0
    assert seen["retro_effect"] == pytest.approx(1, abs=0.01)


def test_a_linear_memory_adds_both_values():
    """5 pairs at D = 32: cosine 1/sqrt(1 + 4/32) = .943 before, 1/sqrt(2 + 8/32) = .667 after."""
    seen = averaged("linear-assoc", {"items": 5, "dim": 32, "similarity": 1.0, "episodes": 40})
    assert seen["retro_immediate_cos"] == pytest.approx(theory.linear_cosine(5, 32), abs=0.01)
    assert seen["retro_acc_cos"] == pytest.approx(1 / math.sqrt(2 + 8 / 32), abs=0.02)
    assert seen["retro_effect_cos"] == pytest.approx(0.943 - 0.667, abs=0.02)


def test_exact_search_returns_the_newest_value_of_the_same_key():
    seen = averaged("exact-knn", SAME_KEYS)
    assert (seen["retro_acc"], seen["retro_intrusion"]) == (0, 1)
    assert (seen["pro_acc"], seen["pro_intrusion"]) == (1, 0)


def test_orthogonal_partners_do_not_interfere_more_than_their_control():
    """At similarity 0 the second list and its control are drawn alike."""
    seen = averaged("linear-assoc", {"similarity": 0.0, "episodes": 50})
    assert seen["retro_interference_cos"] == pytest.approx(0, abs=0.01)
    assert seen["pro_interference_cos"] == pytest.approx(0, abs=0.01)


def test_interference_grows_with_the_similarity_of_the_keys():
    effects = [
        averaged("linear-assoc", {"similarity": s, "items": 5})["retro_interference_cos"]
        for s in (0.0, 0.5, 0.9, 1.0)
    ]
    assert effects == sorted(effects)
    assert effects[-1] > effects[0] + 0.2


def test_a_memory_that_ignores_writes_has_no_effect_and_none_to_interpret():
    (outcome,) = run(cell("zero", "interference"), [0])
    for name in ("retro_effect", "retro_interference", "pro_interference", "retro_effect_cos"):
        assert metric(outcome, name) == 0
    assert metric(outcome, "retro_immediate") == 1 / 1024
    assert outcome.notes["not_interpretable"] == ["retro", "pro"]
    assert "not interpretable" in outcome.notes["warnings"][0]
    assert outcome.marks == ("not interpretable", "stores nothing")
    (able,) = run(cell("delta", "interference"), [0])
    assert able.notes == {}
    assert able.marks == ()


class Labelled(AssociativeMemory):
    """Sums values under keys joined with their contexts.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width of contexts.
    """

    uses_context = True

    def __init__(self, key_dim: int, value_dim: int, context_dim: int) -> None:
        super().__init__()
        self.width, self.value_dim = key_dim * max(1, context_dim), value_dim

    def _joined(self, keys: Tensor, contexts: Tensor | None) -> Tensor:
        if contexts is None:
            contexts = keys.new_ones(len(keys), self.width // keys.shape[1])
        return (keys[:, :, None] * normalize(contexts, dim=-1)[:, None]).flatten(1)

    def init_state(self) -> State:
        return {"weights": torch.zeros(self.width, self.value_dim)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return {"weights": state["weights"] + self._joined(keys, contexts).T @ values}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self._joined(queries, contexts) @ state["weights"]


class Timed(Recorder):
    """Notes the times it is given; a cue of time needs one that uses them."""

    uses_time = True
    given: list[tuple[str, list[float]]] = []  # noqa: RUF012 - emptied by the test

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        assert times is not None and contexts is None
        self.given.append(("write", times.tolist()))
        return super().write(state, keys, values)

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        assert times is not None and contexts is None
        self.given.append(("read", times.tolist()))
        return super().read(state, queries)


def test_a_context_that_is_given_back_restores_both_lists(temporary_entries):
    """The lists' contexts are orthogonal, an event's lies .1 beside its list's: keys joined with
    contexts hardly overlap. Without the cue the same memory adds B and C up.
    """
    registry.memory("labelled", family="fake")(Labelled)
    cued = averaged("labelled", {**SAME_KEYS, "cue": "context"})
    plain = averaged("labelled", SAME_KEYS)
    assert cued["retro_acc"] > 0.99
    assert cued["pro_acc"] > 0.99
    assert cued["retro_intrusion"] < 0.01
    assert plain["retro_acc"] < 0.6


def test_lists_have_contexts_of_their_own_and_are_asked_in_them(temporary_entries):
    registry.memory("labelled", family="fake")(Labelled)
    task = Interference(cue="context", context_dim=16, similarity=1.0)
    generators = [torch.Generator().manual_seed(5)]
    lists = task.lists(generators, torch.device("cpu"))
    first, second = lists.first, lists.second
    own = torch.stack([first.own[0, 0], second.own[0, 0]])
    torch.testing.assert_close(own @ own.T, torch.eye(2), rtol=0, atol=1e-6)
    placed = ((first, 0), (second, 1), (lists.control_second, 1), (lists.control_first, 0))
    for events, which in placed:
        cosines = events.contexts[0] @ own.T
        assert cosines[:, which].min() > 0.97
        assert torch.equal(events.own[0], own[which].expand(10, -1))
        assert torch.equal(events.other[0], own[1 - which].expand(10, -1))


def test_the_time_cue_gives_back_the_times_of_writing(temporary_entries, no_storage_probe):
    registry.memory("timed", family="fake")(Timed)
    Timed.given.clear()
    run(cell("timed", "interference", {"cue": "time", "items": 3, "episodes": 1}), [0])
    first, second = [0.0, 1.0, 2.0], [3.0, 4.0, 5.0]
    writes = [times for method, times in Timed.given if method == "write"]
    reads = [times for method, times in Timed.given if method == "read"]
    assert writes == [first, second, second, first, second]
    assert reads == [first, first, first, second, second]


@pytest.mark.parametrize(
    ("cue", "flags", "width"),
    [
        ("none", set(), 0),
        ("context", {"uses_context"}, 16),
        ("wrong-context", {"uses_context"}, 16),
        ("time", {"uses_time"}, 0),
    ],
)
def test_a_cue_requires_the_memory_to_use_it(cue, flags, width):
    task = Interference(cue=cue)
    assert task.requires() == flags | {"hetero"}
    assert task.dictates()["context_dim"] == width


@pytest.mark.parametrize("similarity", [0.0, 0.5, 0.9, 1.0])
def test_partner_keys_have_the_similarity_asked_for_and_controls_none(similarity):
    task = Interference(similarity=similarity, episodes=1)
    generators = [torch.Generator().manual_seed(3)]
    lists = task.lists(generators, torch.device("cpu"))
    first, second = lists.first, lists.second

    def cosines(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(-1)

    near = {"rtol": 0, "atol": 1e-6}
    expected = torch.full((1, 10), similarity)
    torch.testing.assert_close(cosines(first.keys, second.keys), expected, **near)
    none = torch.zeros(1, 10)
    torch.testing.assert_close(cosines(first.keys, lists.control_second.keys), none, **near)
    torch.testing.assert_close(cosines(second.keys, lists.control_first.keys), none, **near)
    codes = torch.cat([first.codes, second.codes], dim=1).flatten().tolist()
    assert len(set(codes)) == 20
    assert torch.equal(lists.control_second.codes, second.codes)
    assert torch.equal(lists.control_first.codes, first.codes)
    assert torch.equal(first.rivals[..., 0], second.codes)
    assert torch.equal(second.rivals[..., 0], first.codes)


@pytest.mark.parametrize("memory", ["delta", "ar-fast-weights", "ring-attention"])
def test_a_seed_alone_scores_as_it_does_in_a_block(memory):
    made = cell(memory, "interference", {"episodes": 4})
    together = run(made, [0, 1, 2])
    for seed in (0, 2):
        assert numbers(run(made, [seed])[0]) == pytest.approx(numbers(together[seed]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_a_read_that_is_not_finite_fails_its_own_seed_alone(temporary_entries):
    """The memory fails from 20 events on: after both lists, but not after the first."""
    registry.memory("gone", family="fake")(Gone)
    drawn = torch.randint(2**40, (), generator=seeds.torch_generator(2, seeds.INIT))
    made = cell("gone", "interference", {}, {"limit": 20, "unlucky": int(drawn)})
    outcomes = run(made, [0, 1, 2])
    assert [o.status for o in outcomes] == ["ok", "ok", "nonfinite"]
    assert outcomes[2].message == "a read of probe retro_acc was not finite"


def test_slots_that_use_contexts_recall_both_lists_of_the_same_keys():
    """beta w_c = 8 with orthogonal contexts: the other slot of the key weighs e^-8 = 3e-4.

    Without the cue both slots of a key weigh the same: recall is a coin toss between B and C, and
    with the other list's context it is C's.
    """
    seen = averaged("episodic-linear", {**SAME_KEYS, "cue": "context"}, {"recency_weight": 0.0})
    assert seen["retro_acc"] == seen["pro_acc"] == 1
    assert seen["retro_acc_misled"] == 0
    assert seen["retro_acc_uncued"] == pytest.approx(0.5, abs=0.05)
    assert seen["context_effect"] == pytest.approx(0.5, abs=0.05)
    assert seen["context_selectivity"] == pytest.approx(1, abs=0.05)
    assert seen["context_selectivity_src"] == pytest.approx(0, abs=0.01)
    misled = averaged(
        "episodic-linear", {**SAME_KEYS, "cue": "wrong-context"}, {"recency_weight": 0.0}
    )
    assert misled["retro_acc"] == misled["pro_acc"] == 0
    assert misled["retro_intrusion"] == misled["pro_intrusion"] == 1


def test_slots_that_use_time_recall_both_lists_of_the_same_keys():
    """Times 10 apart, scale 1: the other slot of the key weighs e^-(beta w_t) = e^-8."""
    seen = averaged("episodic-linear", {**SAME_KEYS, "cue": "time"})
    assert seen["retro_acc"] == seen["pro_acc"] == 1


def test_a_memory_that_keeps_one_list_alone_is_what_the_old_selectivity_rewards():
    """The delta rule takes no context: no effect, no selectivity, yet a distance of about 1."""
    seen = averaged("delta", {**SAME_KEYS, "cue": "context"})
    assert seen["context_effect"] == seen["context_selectivity"] == 0
    assert seen["context_selectivity_src"] > 0.7


def test_the_ar_source_preset_asks_the_same_keys_twice():
    """Keys plus .1 N(0, I): cosine 1/sqrt(1.01) = .995. At beta 16 the rival's slot weighs
    e^(-16 x .005) = .92 of the right one: nearly the even mixture of cosine 1/sqrt 2.
    """
    task = Interference(preset="ar-source")
    assert task.dictates() == {
        "key_dim": 32, "value_dim": 32, "context_dim": 0, "max_events": 10,
    }  # fmt: skip
    lists = task.lists([torch.Generator().manual_seed(s) for s in range(40)], torch.device("cpu"))
    cosine = torch.cosine_similarity(lists.first.keys, lists.second.keys, dim=-1)
    assert cosine.mean().item() == pytest.approx(1 / math.sqrt(1.01), abs=0.001)
    assert lists.first.values.norm(dim=-1).mean().item() == pytest.approx(math.sqrt(32), abs=0.2)
    seen = averaged("ring-attention", {"preset": "ar-source"})
    assert seen["retro_immediate"] == 1
    assert seen["retro_acc_cos"] == pytest.approx(1 / math.sqrt(2), abs=0.05)
    (outcome,) = run(cell("zero", "interference", {"preset": "ar-source", "episodes": 3}), [0])
    assert metric(outcome, "retro_immediate") == pytest.approx(1 / 10)


def test_the_episodic_source_preset_tiles_three_keys_and_leaves_two_without_a_rival():
    task = Interference(preset="episodic-source")
    assert task.requires() == {"hetero", "uses_context"}
    assert task.dictates() == {
        "key_dim": 32, "value_dim": 32, "context_dim": 16, "max_events": 20,
    }  # fmt: skip
    lists = task.lists([torch.Generator().manual_seed(s) for s in range(40)], torch.device("cpu"))
    first, second = lists.first, lists.second
    assert first.keys.shape[1] == 5 and second.keys.shape[1] == 15
    tiled = first.keys[:, :3].repeat(1, 5, 1)
    cosine = torch.cosine_similarity(tiled, second.keys, dim=-1)
    assert cosine.mean().item() == pytest.approx(1 / math.sqrt(1.04), abs=0.002)
    assert first.rivals[0].tolist() == [
        [5, 8, 11, 14, 17], [6, 9, 12, 15, 18], [7, 10, 13, 16, 19], [-1] * 5, [-1] * 5,
    ]  # fmt: skip
    assert second.rivals[0, :, 0].tolist() == [0, 1, 2] * 5
    assert torch.equal(first.own, first.contexts)
    assert torch.equal(first.other, second.contexts[:, :5])
    assert torch.equal(second.other, first.contexts[:, :3].repeat(1, 5, 1))


def test_in_the_episodic_source_preset_context_tells_the_right_slot_among_six():
    """At beta 100, contexts of width 16 separate events that keys of cosine .98 do not."""
    settings = {"preset": "episodic-source"}
    seen = averaged("episodic-linear", settings, {"beta": 100.0, "recency_weight": 0.0})
    assert seen["retro_immediate"] == seen["retro_acc"] == seen["pro_acc"] == 1
    assert seen["retro_acc_uncued"] > 0.9
    blind = averaged("ring-attention", settings, {"beta": 16.0})
    assert blind["context_effect"] == 0
    assert blind["retro_acc"] < 0.95


def test_a_preset_refuses_settings_that_it_would_leave_without_effect():
    with pytest.raises(InvalidParameter, match="items: is fixed by preset 'ar-source', got 7"):
        Interference(preset="ar-source", items=7)
    with pytest.raises(InvalidParameter, match="cue: is fixed by preset 'episodic-source'"):
        Interference(preset="episodic-source", cue="context")
    assert Interference(preset="ar-source", episodes=3).episodes == 3


def test_two_lists_need_codes_for_both():
    with pytest.raises(InvalidParameter, match="items: two lists of 10 need 20 codes"):
        Interference(items=10, pool=19)
