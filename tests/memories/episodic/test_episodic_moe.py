"""A mixture of the episodic memories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, state_floats
from tests.memories.case import build, events


@pytest.fixture(autouse=True, scope="module")
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def mixture(**params: Any) -> Any:
    return build("episodic-moe", **{"context_dim": 3, **params})


def alone(memory: Any) -> list[Any]:
    """The four experts, built as the user would."""
    made = [
        ("episodic-linear", {}),
        ("episodic-matrix", {"address": "rowwise"}),
        ("hier-linear", {}),
        ("hier-matrix", {}),
    ]
    return [
        build(name, context_dim=3, capacity=expert.capacity, **params)
        for expert, (name, params) in zip(memory.experts, made, strict=True)
    ]


def episode(n: int) -> tuple[Tensor, ...]:
    """Keys, values, times and contexts."""
    return *events(1, n), torch.arange(float(n)), events(2, n, key_dim=3)[0]


def test_untrained_it_recalls_the_mean_of_its_experts() -> None:
    memory = mixture(capacity=40)
    parts = episode(25)
    queries = events(3, 8)[0], parts[2][:8], parts[3][:8]
    reads = [m.read(m.write(m.init_state(), *parts), *queries) for m in alone(memory)]
    info = memory.read_info(memory.write(memory.init_state(), *parts), *queries)
    expected = torch.stack(reads, dim=1)
    torch.testing.assert_close(info["values"], expected.mean(1), rtol=0, atol=1e-6)
    torch.testing.assert_close(info["expert_values"], expected, rtol=0, atol=1e-6)
    assert info["active_experts"].tolist() == [4] * 8
    assert float((reads[0] - reads[1]).abs().max()) > 1e-2


def test_slots_are_shared_out_to_the_last_one() -> None:
    for capacity, sizes in ((4, [1, 1, 1, 1]), (100, [25] * 4), (43, [11, 11, 11, 10])):
        memory = mixture(capacity=capacity)
        assert [expert.capacity for expert in memory.experts] == sizes
    with pytest.raises(InvalidParameter, match="capacity: must be >= 4"):
        mixture(capacity=3)


def test_a_router_that_favours_an_expert_recalls_what_that_one_recalls() -> None:
    memory = mixture(capacity=40)
    parts = episode(25)
    queries = events(3, 8)[0]
    state = memory.write(memory.init_state(), *parts)
    for which, expert in enumerate(alone(memory)):
        memory.out_bias.zero_()
        memory.out_bias[which] = 40.0
        expected = expert.read(expert.write(expert.init_state(), *parts), queries)
        torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("top_k", [1, 2])
def test_the_best_experts_count_by_their_share(top_k: int) -> None:
    """softmax(log of 1, 4, 2, 3): the best are experts 1 and 3, with shares 4/7 and 3/7."""
    memory = mixture(capacity=40, mode="top-k", top_k=top_k)
    memory.out_bias.copy_(torch.tensor([1.0, 4.0, 2.0, 3.0]).log())
    parts = episode(25)
    info = memory.read_info(memory.write(memory.init_state(), *parts), events(3, 8)[0])
    shares = {1: [0.0, 1.0, 0.0, 0.0], 2: [0.0, 4 / 7, 0.0, 3 / 7]}[top_k]
    expected = torch.tensor(shares).expand(8, -1)
    torch.testing.assert_close(info["expert_weights"], expected, rtol=0, atol=1e-6)
    assert info["active_experts"].tolist() == [top_k] * 8
    mixed = (expected[..., None] * info["expert_values"]).sum(1)
    torch.testing.assert_close(info["values"], mixed, rtol=0, atol=1e-6)


@torch.enable_grad()
def test_experts_left_out_still_teach_the_router() -> None:
    """The gradient is that of the router's probabilities: d(sum_e pi_e r_e) with r_e held."""
    memory = mixture(capacity=40, mode="top-k")
    state = memory.write(memory.init_state(), *episode(25))
    info = memory.read_info(state, events(3, 8)[0])
    (ours,) = torch.autograd.grad(info["values"].sum(), memory.out_bias, retain_graph=True)
    dense = (info["routing"][..., None] * info["expert_values"].detach()).sum()
    (expected,) = torch.autograd.grad(dense, memory.out_bias)
    assert float(expected.abs().min()) > 1e-4
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_the_balance_loss_grows_with_collapse() -> None:
    """0.01 x 4 x sum_e f_e mean(pi_e): 0.01 where all pi are 1/4, 0.04 pi_e where one gets all.

    With pi = (1, 4, 2, 3) / 10 for every query the second gets all: 0.04 x 0.4.
    """
    memory = mixture()
    state = memory.write(memory.init_state(), *episode(10))
    queries = events(3, 8)[0]
    assert float(memory.auxiliary_loss(state, queries)) == pytest.approx(0.01, abs=1e-7)
    memory.out_bias.copy_(torch.tensor([1.0, 4.0, 2.0, 3.0]).log())
    assert float(memory.auxiliary_loss(state, queries)) == pytest.approx(0.016, abs=1e-7)
    assert float(memory.auxiliary_loss(state, queries[:0])) == 0.0


def test_a_query_is_routed_by_itself() -> None:
    """With a trained router: other queries of the call change no routing."""
    memory = mixture().double()
    memory.out.copy_(torch.linspace(-3, 3, memory.out.numel()).reshape(memory.out.shape).sin())
    state = memory.write(memory.init_state(), *(x.double() for x in episode(10)))
    queries = events(3, 8, dtype=torch.float64)[0]
    together = memory.read_info(state, queries)["routing"]
    alone = torch.cat([memory.read_info(state, q[None])["routing"] for q in queries])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-12)
    assert float((together - together[:1]).abs().max()) > 1e-3


def test_experts_hold_what_they_hold_alone() -> None:
    """State floats of the mixture are those of its experts: counts are scalars."""
    memory = mixture(capacity=43)
    apart = sum(state_floats(expert.init_state()) for expert in alone(memory))
    assert state_floats(memory.init_state()) == apart
