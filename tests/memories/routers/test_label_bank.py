"""The lift: an associative memory scores labels by what it recalls."""

from __future__ import annotations

import pytest
import torch

from bench import registry
from memories.base import AssociativeMemory, Unsuitable
from memories.lift import LIFTS, find
from memories.routers.default_memory import DefaultMemory
from memories.slots.exact_knn import ExactKnn
from tests.memories.routers.labelled import GROUPS, WIDTH, events, router

EXACT = ("exact-knn", "ring-attention", "linear-assoc", "ridge-assoc", "delta", "ar-fast-weights")


def bank(name: str, **params):
    return router("label-bank", memory={"name": name, "params": params})


@pytest.mark.parametrize("name", EXACT)
def test_with_orthonormal_codes_and_one_event_per_label_all_is_recalled(name: str) -> None:
    """z_i = e_i: whatever is exact or Hebbian returns the label's own value; scores of others are
    smaller, so that accuracy is 1.
    """
    made = bank(name)
    z, label = torch.eye(WIDTH)[: len(GROUPS)], torch.arange(len(GROUPS))
    state = made.learn(made.init_state(), z, label, label)
    scores, routing, _ = made.route(state, z)
    assert scores.argmax(-1).tolist() == label.tolist()
    assert routing.argmax(-1).tolist() == list(GROUPS)


def test_scores_are_what_the_memory_reads_for_unit_vectors_of_labels() -> None:
    made, known = bank("delta"), events(0)
    state = made.learn(made.init_state(), known["z"], known["label"], known["id"])
    alone = made.bank
    direct = alone.write(alone.init_state(), known["z"], torch.eye(len(GROUPS))[known["label"]])
    expected = alone.read(direct, events(1)["z"])
    assert torch.equal(made.route(state, events(1)["z"])[0], expected)


def test_the_routing_is_a_softmax_over_the_sums_of_groups() -> None:
    made, known = bank("linear-assoc"), events(0)
    state = made.learn(made.init_state(), known["z"], known["label"], known["id"])
    scores, routing, _ = made.route(state, events(1)["z"])
    sums = torch.stack([scores[:, torch.tensor(GROUPS) == g].sum(-1) for g in range(4)], -1)
    assert torch.allclose(routing, sums.softmax(-1))
    assert made.banks == ("group-0", "group-1", "group-2", "group-3")
    assert made.banks_are_groups


def test_an_empty_memory_is_sent_nowhere() -> None:
    made = bank("exact-knn")
    scores, routing, _ = made.route(made.init_state(), events(0)["z"])
    assert not scores.any()
    assert not routing.any()
    assert not made.chosen(routing).any()


def test_it_composes_where_its_memory_does() -> None:
    assert bank("delta").composes
    assert not bank("delta", passes=2).composes


def test_a_memory_that_recalls_keys_alone_is_unsuitable() -> None:
    class KeysAlone(DefaultMemory):
        def __call__(self, **given):
            made = super().__call__(**given)
            made.hetero = False
            return made

    cls = registry.get("memory", "label-bank").cls
    with pytest.raises(Unsuitable, match="recalls keys, not labels"):
        cls(WIDTH, GROUPS, max_events=4, memory=KeysAlone(), generator=torch.Generator())


ASSOCIATIVE = [
    name
    for name in registry.names("memory")
    if issubclass(registry.get("memory", name).cls, AssociativeMemory)
]


@pytest.mark.parametrize("name", ASSOCIATIVE)
def test_every_associative_memory_is_a_router(name: str) -> None:
    made, known = bank(name), events(0, per_label=2)
    state = made.learn(made.init_state(), known["z"], known["label"], known["id"])
    scores, routing, after = made.route(state, events(1)["z"])
    assert scores.shape == (len(events(1)["z"]), len(GROUPS))
    assert scores.isfinite().all()
    assert after is state
    total = routing.sum(-1)
    assert (((total - 1).abs() < 1e-5) | (total == 0)).all()


def test_the_way_to_routing_leads_through_the_bank() -> None:
    way = find("associative", "router")
    assert way in LIFTS
    assert (way.through, way.slot) == ("label-bank", "memory")
    assert isinstance(DefaultMemory()(key_dim=2, value_dim=2, max_events=2), ExactKnn)


def test_five_sharp_neighbours_serve_where_no_memory_is_named() -> None:
    made = router("label-bank")
    assert str(DefaultMemory({"k": 5})) == "exact-knn[k=5]"
    assert str(DefaultMemory()) == "exact-knn"
    assert made.bank.k == 5
