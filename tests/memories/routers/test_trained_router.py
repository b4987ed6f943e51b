"""Training of routers: against torch's AdamW, phase by phase and stage by stage, in lanes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.lanes import Lanes
from memories.adam import unflatten
from memories.base import InvalidParameter
from tests.memories.routers.labelled import (
    GROUPS,
    ROUTERS,
    accuracy,
    as_double,
    events,
    learned,
    order,
    router,
    training,
)

by_name = pytest.mark.parametrize("name", ROUTERS)


def quick(*names: str) -> pytest.MarkDecorator:
    """All routers, those that are not named in the slow set."""
    marked = [n if n in names else pytest.param(n, marks=pytest.mark.slow) for n in ROUTERS]
    return pytest.mark.parametrize("name", marked)


def balance(memory: Any, aux: dict[str, Tensor]) -> Tensor:
    """0.01 nB sum f P, of the corrected forms."""
    if "selected" not in aux or memory.core.settings.behaviour.balance == "source":
        return torch.zeros(())
    shares = aux["selected"].double().mean(0) / memory.top_k
    return 0.01 * len(memory.banks) * (shares * aux["p"].mean(0)).sum()


class Plain:
    """The same training with `torch.optim.AdamW`, its modules and its backward pass."""

    def __init__(self, memory: Any, supervision: float = 0.0) -> None:
        self.memory, self.supervision = memory, supervision
        self.optimiser = torch.optim.AdamW(
            memory.network.parameters(), lr=3e-3, weight_decay=0.01, foreach=False
        )

    def steps(self, state: Any, known: dict[str, Tensor], rows_of: Tensor) -> Any:
        memory = self.memory
        for rows in rows_of:
            z, label = 4 * known["z"][rows], known["label"][rows]  # sqrt(16) = 4
            given = () if "dense" in type(memory).__module__ else (known["id"][rows],)
            scores, aux = memory.network(state, z, *given)
            loss = cross_entropy(scores, label) + balance(memory, aux)
            if self.supervision:
                group = torch.tensor(GROUPS)[label]
                shares = aux["l/T"][:, :4].softmax(-1)[torch.arange(len(rows)), group]
                loss = loss - self.supervision * shares.log().mean()
            self.optimiser.zero_grad()
            loss.backward()
            for weights in memory.network.parameters():
                if weights.grad is None:  # torch would not even let them decay
                    weights.grad = torch.zeros_like(weights)
            old = {n: w.detach().clone() for n, w in memory.network.named_parameters()}
            self.optimiser.step()
            with torch.no_grad():
                for name, mask in memory.held(state).items():
                    weights = memory.network.get_parameter(name)
                    weights.copy_(torch.where(mask, old[name], weights))
            state = memory.account(state, aux)
        return state


def assert_trained_alike(weights: dict[str, Tensor], memory: Any) -> None:
    """A few steps in float64; sums in another order, divided by roots of gradients near zero."""
    for name, expected in memory.network.named_parameters():
        torch.testing.assert_close(weights[name], expected.detach(), rtol=0, atol=1e-6)


@by_name
@pytest.mark.parametrize(
    "readout", ["residual", pytest.param("memory-only", marks=pytest.mark.slow)]
)
def test_fit_equals_adamw_with_events_stored_after_sixty_percent(name: str, readout: str) -> None:
    memory, other = (router(name, readout=readout).double() for _ in range(2))
    train = as_double(training(1, steps=10))
    memory.fit(train, torch.Generator())
    plain = Plain(other)
    before = 10 if name in ("dense-moe", "hpm-static") else 6
    state = plain.steps(other.init_state(), train, train["order"][:before])
    state = other.learn(state, train["z"], train["label"], train["id"])
    plain.steps(state, train, train["order"][before:])
    assert_trained_alike(dict(memory.network.named_parameters()), other)


@pytest.mark.parametrize("name", ["dense-moe", "hpm", "hpm-static"])
def test_supervised_routing_adds_the_cross_entropy_of_the_group(name: str) -> None:
    memory, other = (router(name, route_supervision=0.3).double() for _ in range(2))
    train = as_double(training(2, steps=10))
    if name == "hpm":
        train["order"] = train["order"][:1]
    memory.fit(train, torch.Generator())
    Plain(other, 0.3).steps(other.init_state(), train, train["order"])
    assert_trained_alike(dict(memory.network.named_parameters()), other)


@by_name
def test_stages_equal_adamw_begun_anew_with_freezing_before_the_events_are_stored(
    name: str,
) -> None:
    """Frozen after the first stage, primitives keep their bits in the second one, if corrected."""
    params = {} if name == "dense-moe" else {"usage_threshold": 10.0}
    memory = router(name, continual=True, **params).double()
    other = router(name, **params).double()
    state, expected = memory.init_state(), other.init_state()
    for stage in range(2):
        known = as_double(events(10 + stage))
        known["id"] = known["id"] + 64 * stage
        rows = order(20 + stage, 10, 64)
        state = memory.fit_stage(state, known["z"], known["label"], known["id"], rows)
        expected = Plain(other).steps(expected, known, rows)
        if hasattr(other, "core"):
            expected = other.core.freeze(expected)
        expected = other.learn(expected, known["z"], known["label"], known["id"])
        if hasattr(other, "core"):
            expected = other.core.reset_epoch(expected)
        assert_trained_alike(unflatten(memory.network, state["weights"]), other)
        for entry, value in expected.items():
            torch.testing.assert_close(state[entry], value.detach(), rtol=0, atol=1e-6)
    if name != "dense-moe":
        assert state["frozen"].sum() > 0


@quick("dense-moe", "hpm")
def test_lanes_are_trained_as_alone(name: str) -> None:
    """Two stages of 6 steps in float32: the same bits, or within 1e-5 of scores about one."""
    memories = [router(name, seed, continual=True) for seed in range(2)]
    lanes = Lanes(memories)
    together, alone = lanes.init_state(), [memory.init_state() for memory in memories]
    for stage in range(2):
        known = [events(10 * seed + stage) for seed in range(2)]
        rows = [order(seed, 6, 64) for seed in range(2)]
        stacked = [torch.stack([k[n] for k in known]) for n in ("z", "label", "id")]
        together = lanes.call("fit_stage", together, *stacked, torch.stack(rows))
        alone = [
            memory.fit_stage(state, *(k[n] for n in ("z", "label", "id")), batch)
            for memory, state, k, batch in zip(memories, alone, known, rows, strict=True)
        ]
    asked = events(99)["z"]
    scores, _, _ = lanes.call("route", together, asked.expand(2, -1, -1), None)
    for lane, (memory, state) in enumerate(zip(memories, alone, strict=True)):
        expected = memory.route(state, asked)[0].detach()
        torch.testing.assert_close(scores[lane], expected, rtol=1e-5, atol=1e-5)


@quick("dense-moe", "hpm")
def test_training_learns_the_labels(name: str) -> None:
    """Chance is 1/8; the nearest centre is right for all but a few of these codes."""
    memory, asked = router(name), events(90)
    before = accuracy(memory, learned(memory, events(1)), asked)
    memory.fit(training(1, steps=90), torch.Generator())
    after = accuracy(memory, learned(memory, events(1)), asked)
    assert before < 0.45
    assert after > 0.6


@by_name
def test_training_is_repeatable_and_leaves_its_data_and_the_global_generator_alone(name) -> None:
    train, rng = training(1, steps=5), torch.get_rng_state()
    copies = {entry: value.clone() for entry, value in train.items()}
    first, second = router(name), router(name)
    first.fit(train, torch.Generator())
    second.fit(train, torch.Generator())
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(train[entry], value) for entry, value in copies.items())
    for mine, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine.requires_grad


@by_name
def test_stages_need_weights_in_the_state(name: str) -> None:
    memory, known = router(name), events(1)
    with pytest.raises(InvalidParameter, match="continual: must be true for training in stages"):
        memory.fit_stage(
            memory.init_state(), known["z"], known["label"], known["id"], order(1, 2, 64)
        )


def test_no_steps_change_no_weights() -> None:
    memory = router("hpm")
    before = {n: w.detach().clone() for n, w in memory.named_parameters()}
    memory.fit({**events(1), "order": order(1, 1, 64)[:0]}, torch.Generator())
    assert all(torch.equal(w, before[n]) for n, w in memory.named_parameters())
