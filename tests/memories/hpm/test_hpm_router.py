"""The registered forms of HPM: banks, readouts, the closed gate, guidance, the published flags."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memories.base import InvalidParameter, state_floats
from memories.hpm.behaviour import VARIANTS, Behaviour
from memories.hpm.settings import BANKS, STATIC, Settings
from tests.memories.routers.labelled import (
    GROUPS,
    WIDTH,
    accuracy,
    events,
    learned,
    router,
    training,
)


def test_the_forms_differ_in_their_banks_and_their_behaviour() -> None:
    full, source, static = (router(name) for name in ("hpm", "hpm-source", "hpm-static"))
    assert full.banks == source.banks == BANKS
    assert static.banks == STATIC
    assert full.core.settings.behaviour == static.core.settings.behaviour == Behaviour()
    assert source.core.settings.behaviour == VARIANTS["source"]
    assert full.core.settings == Settings(banks=BANKS, capacity=64)
    published = router("hpm", variant="source")
    assert published.core.settings == source.core.settings


def test_the_published_form_differs_in_every_flag_and_each_can_be_set_alone() -> None:
    ours, theirs = vars(VARIANTS["corrected"]), vars(VARIANTS["source"])
    for flag, value in theirs.items():
        assert ours[flag] != value
        changed = router("hpm", **{flag: value}).core.settings.behaviour
        assert vars(changed) == {**ours, flag: value}
        restored = router("hpm-source", **{flag: ours[flag]}).core.settings.behaviour
        assert vars(restored) == {**theirs, flag: ours[flag]}


def test_the_large_size_has_more_primitives_and_levels_which_can_be_set() -> None:
    large = router("hpm", size="large").core.settings
    assert (large.primitives, large.sizes) == (32, (10, 10, 12))
    own = router("hpm", size="large", levels_per_bank=2).core.settings
    assert own.sizes == (16, 16)


def test_capacity_is_what_the_task_writes_unless_it_is_given() -> None:
    assert router("hpm").core.settings.capacity == 64
    small = router("hpm", capacity=20)
    state = learned(small, events(1))
    told = small.report(state)
    assert {n: int(told[n]) for n in ("instance_stored", "procedural_evicted")} == {
        "instance_stored": 20,
        "procedural_evicted": 44,
    }


def test_the_state_is_measured_with_its_metadata() -> None:
    """Two banks of 65 rows: 32 floats and 3 words; 3 counters of two int64; usage and frozen.

    4 x 2 x 8 primitives take 64 floats and 64 bytes; six banks take 12 floats.
    """
    expected = 2 * 65 * (2 * WIDTH + 3) + 3 * 2 * 2 + 64 + 16 + 12
    assert state_floats(router("hpm").init_state()) == expected


def test_events_are_stored_with_themselves_and_with_their_labels_code() -> None:
    """Codes enter at sqrt(16) times their length, and so do the labels' unit codes."""
    memory, known = router("hpm"), events(1)
    state = learned(memory, known)
    torch.testing.assert_close(state["dyn_key"][0, :64], 4 * known["z"])
    assert torch.equal(state["dyn_key"][0], state["dyn_key"][1])
    assert torch.equal(state["dyn_val"][1], state["dyn_key"][1])
    torch.testing.assert_close(
        state["dyn_val"][0, :64], 4 * memory.procedures[known["label"]], rtol=0, atol=0
    )
    torch.testing.assert_close(memory.procedures.norm(dim=-1), torch.ones(len(GROUPS)))


def test_an_event_that_is_excluded_does_not_answer() -> None:
    memory, known = router("hpm"), events(1)
    state = learned(memory, known)
    with torch.no_grad():
        scores = memory.route(state, known["z"])[0]
        excluded = memory.route(state, known["z"], known["id"])[0]
        nobody = memory.route(state, known["z"], torch.full((64,), -1))[0]
    assert torch.equal(scores, nobody)
    assert (scores != excluded).any(-1).float().mean() > 0.2
    published = router("hpm-source")
    state = learned(published, known)
    with torch.no_grad():
        kept = [published.route(state, known["z"], ids)[0] for ids in (None, known["id"])]
    assert torch.equal(*kept)
    assert memory.excludes
    assert not published.excludes
    assert router("hpm-static", exclude_self=False).excludes  # it stores none


def test_behind_a_closed_gate_the_head_sees_the_code_alone() -> None:
    """The control: scores are the head's on 4 z whatever is stored, and alpha stays zero."""
    memory = router("hpm", readout="residual", gate="closed")
    memory.fit(training(1, steps=10), torch.Generator())
    known = events(2)
    state, head = learned(memory, known), memory.network.head
    with torch.no_grad():
        torch.testing.assert_close(
            memory.route(state, known["z"])[0],
            4 * known["z"] @ head.weight + head.bias,
            rtol=0,
            atol=1e-6,
        )
    assert float(memory.report(state)["gate"]) == 0
    opened = router("hpm", readout="residual")
    opened.fit(training(1, steps=10), torch.Generator())
    assert abs(float(opened.report(opened.init_state())["gate"].detach())) > 1e-3


def test_the_share_of_frozen_primitives_leaves_padding_out() -> None:
    """Seven primitives in two levels of 3 and 4, padded to 4: one frozen of seven."""
    memory = router("hpm-static", banks=["pattern"], primitives_per_bank=7)
    state = dict(memory.init_state())
    state["frozen"] = torch.zeros_like(state["frozen"])
    state["frozen"][0, 1, 3] = True
    assert float(memory.report(state)["frozen_share"]) == pytest.approx(1 / 7)


def test_a_dense_mixture_asks_all_its_experts() -> None:
    memory = router("dense-moe", experts=3)
    routing = memory.route(memory.init_state(), events(1)["z"])[1]
    assert memory.chosen(routing).all()


def test_a_closed_gate_that_no_one_looks_through_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="gate: is closed, but a memory-only head"):
        router("hpm", gate="closed")


@pytest.mark.parametrize(
    ("name", "params"), [("hpm", {"banks": ["pattern", "instance"]}), ("dense-moe", {"experts": 3})]
)
def test_supervised_routing_needs_a_bank_per_group(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="route_supervision: needs a bank for each of 4"):
        router(name, route_supervision=0.3, **params)


@pytest.mark.parametrize("name", ["hpm-static", "dense-moe"])
def test_supervised_routing_sends_codes_to_their_groups_bank(name: str) -> None:
    asked = events(90)
    groups = torch.tensor(GROUPS)[asked["label"]]
    right = {}
    for weight in (0.0, 0.3):
        memory = router(name, route_supervision=weight)
        memory.fit(training(1, steps=90), torch.Generator())
        with torch.no_grad():
            routing = memory.route(learned(memory, events(1)), asked["z"])[1]
        right[weight] = float((routing.argmax(-1) == groups).float().mean())
    assert right[0.3] > 0.8 > right[0.0] + 0.2


def test_the_balance_loss_evens_out_where_codes_are_sent() -> None:
    """Without it, some of four banks is asked more than with a weight of 1."""
    largest = {}
    for weight in (0.0, 1.0):
        memory = router("hpm-static", balance_weight=weight)
        memory.fit(training(1, steps=90), torch.Generator())
        with torch.no_grad():
            routing = memory.route(memory.init_state(), events(90)["z"])[1]
        largest[weight] = float(memory.chosen(routing).float().mean(0).max())
    assert largest[1.0] < 0.6
    assert largest[1.0] < largest[0.0]


def test_the_published_balance_loss_trains_as_none_at_all() -> None:
    weights = []
    for params in ({"balance": "source"}, {"balance_weight": 0.0}):
        memory = router("hpm-static", **params)
        memory.fit(training(1, steps=5), torch.Generator())
        weights.append([w.detach() for w in memory.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_lanes_with_other_settings_are_refused() -> None:
    from bench.lanes import LaneMismatch, Lanes

    with pytest.raises(LaneMismatch, match="declared"):
        Lanes([router("hpm"), router("hpm", usage_threshold=50.0)])
    assert Lanes([router("hpm"), router("hpm", temperature=0.1)]).size == 2


@pytest.mark.parametrize("variant", ["corrected", pytest.param("source", marks=pytest.mark.slow)])
def test_what_is_stored_helps_where_the_banks_alone_cannot(variant: Any) -> None:
    """A router of the two dynamic banks alone answers from what it has stored."""
    memory = router("hpm", variant=variant, banks=["procedural", "instance"])
    memory.fit(training(1, steps=90), torch.Generator())
    asked = events(90)
    empty = accuracy(memory, memory.init_state(), asked)
    assert empty < 0.3
    assert accuracy(memory, learned(memory, events(1)), asked) > 0.6
