"""What every router promises: which banks are chosen, and that untrained ones write in stages."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from bench.reading import params
from memories.base import DICTATED, Router, State, protocol_of
from tests.memories.routers.labelled import GROUPS, ROUTERS, as_double, events, learned, router

by_name = pytest.mark.parametrize("name", ROUTERS)


class Nearest(Router):
    """The label of the last event, whatever is asked."""

    banks = ("only",)

    def init_state(self) -> State:
        return {"label": torch.zeros((), dtype=torch.int64), "count": torch.zeros(())}

    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        scores = (state["label"] == torch.arange(len(GROUPS))).double()
        return scores.expand(len(z), -1), torch.ones(len(z), 1), state

    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        return {"label": labels[-1], "count": state["count"] + len(z)}


def test_a_stage_of_a_router_without_weights_is_the_writing_of_its_events() -> None:
    memory, known = Nearest(), events(1)
    order = torch.zeros(3, 4, dtype=torch.int64)
    state = memory.fit_stage(memory.init_state(), known["z"], known["label"], known["id"], order)
    assert state == {"label": known["label"][-1], "count": len(known["z"])}
    assert memory.report(state) == {}
    assert memory.fit({}, torch.Generator()) is None


def test_the_banks_of_highest_probability_are_chosen_of_equal_ones_the_first() -> None:
    memory = Nearest()
    memory.top_k = 2
    routing = torch.tensor([[0.1, 0.3, 0.3, 0.3], [0.4, 0.0, 0.0, 0.0], [0.0] * 4, [0.25] * 4])
    assert memory.chosen(routing).tolist() == [
        [False, True, True, False],
        [True, False, False, False],
        [False] * 4,
        [True, True, False, False],
    ]


@by_name
def test_a_router_is_registered_with_what_a_task_gives_it(name: str) -> None:
    entry = registry.get("memory", name)
    assert protocol_of(entry.cls) == "router"
    assert params.dictated(entry) == (
        DICTATED["router"]
        if name != "dense-moe"
        else ("key_dim", "label_groups", "continual", "generator")
    )
    assert all(not parameter.required and parameter.doc for parameter in params.of(entry))
    assert entry.description


@by_name
def test_routing_is_a_probability_over_named_banks(name: str) -> None:
    memory, known = router(name), events(1)
    with torch.no_grad():
        scores, routing, _ = memory.route(learned(memory, known), known["z"])
    assert scores.shape == (64, len(GROUPS))
    assert routing.shape == (64, len(memory.banks))
    torch.testing.assert_close(routing.sum(-1), torch.ones(64), rtol=0, atol=1e-6)
    assert (memory.chosen(routing).sum(-1) == memory.top_k).all()
    assert memory.specialists == 4


@by_name
def test_routing_changes_nothing_and_asks_each_code_alone(name: str) -> None:
    memory, known = router(name), events(1)
    state = learned(memory, known)
    before = {entry: value.clone() for entry, value in state.items()}
    with torch.no_grad():
        scores, _, after = memory.route(state, known["z"])
        again, _, _ = memory.route(state, known["z"])
        alone = torch.cat([memory.route(state, z[None])[0] for z in known["z"][:5]])
    assert torch.equal(scores, again)
    torch.testing.assert_close(alone, scores[:5], rtol=0, atol=1e-5)
    for states in (after, state):
        assert states.keys() == before.keys()
        assert all(torch.equal(states[entry], value) for entry, value in before.items())


@by_name
@pytest.mark.parametrize("continual", [False, True])
def test_lanes_route_as_alone(name: str, continual: bool) -> None:
    memories = [router(name, seed, continual=continual) for seed in range(3)]
    lanes, known = Lanes(memories), [events(seed) for seed in range(3)]
    z, labels, ids = (torch.stack([k[n] for k in known]) for n in ("z", "label", "id"))
    state = lanes.call("learn", lanes.init_state(), z, labels, ids)
    scores, routing, _ = lanes.call("route", state, z, ids)
    told = lanes.call("report", state)
    for lane, memory in enumerate(memories):
        alone = learned(memory, known[lane])
        assert all(torch.equal(state[entry][lane], value) for entry, value in alone.items())
        expected = memory.route(alone, z[lane], ids[lane])
        torch.testing.assert_close(scores[lane], expected[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(routing[lane], expected[1], rtol=0, atol=1e-6)
        own = memory.report(alone)
        assert told.keys() == own.keys()
        assert all(value.dim() == 0 for value in own.values())


@by_name
def test_learning_in_parts_equals_learning_at_once(name: str) -> None:
    memory, known = router(name, capacity=20) if name == "hpm" else router(name), events(2)
    whole, parts = learned(memory, known), memory.init_state()
    for rows in torch.arange(64).split(13):
        parts = memory.learn(parts, *(known[n][rows] for n in ("z", "label", "id")))
    assert all(torch.equal(parts[entry], value) for entry, value in whole.items())


@by_name
def test_the_state_keeps_its_layout(name: str) -> None:
    memory = router(name, continual=True)
    start, known = memory.init_state(), events(3)
    rows = torch.arange(64).reshape(4, 16)
    after = memory.fit_stage(start, known["z"], known["label"], known["id"], rows)
    layout = {entry: (value.shape, value.dtype) for entry, value in start.items()}
    assert {entry: (value.shape, value.dtype) for entry, value in after.items()} == layout
    assert all(v.isfinite().all() for v in after.values())
    double = memory.double().init_state()
    assert {v.dtype for v in double.values()} <= {torch.float64, torch.int64, torch.bool}


@by_name
def test_the_constructor_draws_from_the_given_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    first, second, other = (dict(router(name, s).named_parameters()) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert any(not torch.equal(first[n], other[n]) for n in first)
    assert "generator" in inspect.signature(registry.get("memory", "hpm").cls).parameters


@by_name
def test_float64_codes_are_routed_in_float64(name: str) -> None:
    memory, known = router(name).double(), as_double(events(1))
    scores, routing, _ = memory.route(learned(memory, known), known["z"])
    assert scores.dtype == routing.dtype == torch.float64
