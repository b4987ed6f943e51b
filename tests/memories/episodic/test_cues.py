"""Contexts and irregular times through every episodic memory: parity, composition, lanes, training.

The laws and the parity tests of all memories write keys and values alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from bench.lanes import Lanes
from tests.memories.case import build, generator
from tests.memories.cases.episodic import linear, mixture, rowwise, tree

D, V, C, N, Q = 6, 5, 3, 23, 7

MEMORIES: list[tuple[str, Callable[[Any], Any], dict[str, Any]]] = [
    ("episodic-linear", linear, {"capacity": 9, "project_keys": True}),
    ("episodic-matrix", linear, {"capacity": 9}),
    ("episodic-matrix", rowwise, {"capacity": 9, "address": "rowwise"}),
    ("hier-linear", tree, {"capacity": 9, "fan_out": 3, "learn_summary": True}),
    ("hier-linear", tree, {"capacity": 20, "fan_out": 2, "space": "ctx0", "levels": 5}),
    ("hier-linear", tree, {"capacity": 9, "fan_out": 2, "level": 1}),
    ("hier-matrix", tree, {"capacity": 9, "fan_out": 3, "context_threshold": 0.0}),
    ("episodic-moe", mixture, {"capacity": 30}),
]
by_memory = pytest.mark.parametrize(
    ("name", "reference", "params"),
    MEMORIES,
    ids=["-".join([name, *map(str, params.values())]) for name, _, params in MEMORIES],
)


def made(name: str, params: dict[str, Any], seed: int = 0) -> Any:
    """The memory in float64, its slow weights moved off their starting points."""
    memory = build(name, seed, context_dim=C, **params).double()
    rng = generator(100 + seed)
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=rng, dtype=torch.float64)
    return memory


def drawn(seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Events (keys, values, times, contexts) and queries (queries, times, contexts).

    Pauses fall on every side of 2, 4 and 8; contexts drift and jump; positions step by up to 9.
    """
    rng = generator(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    pauses = torch.tensor([0.5, 1.0, 2.0, 2.5, 4.0, 4.5, 9.0]).double()
    weights = torch.tensor([6.0, 6.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    times = pauses[torch.multinomial(weights, N, replacement=True, generator=rng)].cumsum(0)
    jumps = (torch.rand(N, 1, generator=rng) < 0.3) * normal(N, C)
    contexts = (4 * jumps + 0.1 * normal(N, C)).cumsum(0)
    events = [normal(N, D), normal(N, V), times, contexts]
    asked = torch.randint(N, (Q,), generator=rng)
    queries = events[0][asked] + 0.3 * normal(Q, D), times[asked] + 0.2, contexts[asked]
    return events, list(queries)


def close(actual: Tensor, expected: Tensor) -> None:
    """float64; sums in another order."""
    scale = max(1.0, float(expected.detach().double().abs().max()))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10 * scale)


@by_memory
@pytest.mark.parametrize("given", ["both", "times", "contexts"])
def test_recall_and_gradients_equal_the_loop(
    name: str, reference: Callable[[Any], Any], params: dict[str, Any], given: str
) -> None:
    """Of keys, values and every slow weight; both cues, or one of them for events and queries."""
    memory = made(name, params)
    (keys, values, times, contexts), (queries, query_times, query_contexts) = drawn(1)
    if given == "times":
        contexts, query_contexts = None, None
    elif given == "contexts":
        times, query_times = None, None
    inputs = (keys.requires_grad_(), values.requires_grad_(), *memory.parameters())
    towards = torch.randn(Q, V, dtype=torch.float64, generator=generator(2))

    def gradients(recalled: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((recalled * towards).sum(), inputs, materialize_grads=True)

    state = memory.write(memory.init_state(), keys, values, times, contexts)
    ours = memory.read(state, queries, query_times, query_contexts)
    theirs = reference(memory)(keys, values, queries, times, contexts, query_times, query_contexts)
    close(ours, theirs)
    for own, looped in zip(gradients(ours), gradients(theirs), strict=True):
        close(own, looped)


@by_memory
@settings(max_examples=10, deadline=None, derandomize=True)
@given(cuts=st.tuples(st.integers(0, N), st.integers(0, N)))
def test_writing_in_parts_equals_writing_at_once(
    name: str, reference: Callable[[Any], Any], params: dict[str, Any], cuts: tuple[int, int]
) -> None:
    memory = made(name, params)
    events, queries = drawn(3)
    first, second = sorted(cuts)
    parts = memory.init_state()
    for span in (slice(0, first), slice(first, second), slice(second, N)):
        parts = memory.write(parts, *(x[span] for x in events))
    whole = memory.write(memory.init_state(), *events)
    assert parts.keys() == whole.keys()
    for entry in whole:
        close(parts[entry], whole[entry])
    close(memory.read(parts, *queries), memory.read(whole, *queries))


@by_memory
def test_four_lanes_equal_four_single_runs(
    name: str, reference: Callable[[Any], Any], params: dict[str, Any]
) -> None:
    memories = [made(name, params, seed) for seed in range(4)]
    pairs = [drawn(seed) for seed in range(4)]
    events, queries = (
        [torch.stack(same) for same in zip(*(pair[which] for pair in pairs), strict=True)]
        for which in (0, 1)
    )
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), *events)
    reads = lanes.read(state, *queries)
    for lane, memory in enumerate(memories):
        alone = memory.write(memory.init_state(), *pairs[lane][0])
        for entry in alone:
            close(state[entry][lane], alone[entry])
        close(reads[lane], memory.read(alone, *pairs[lane][1]))


class Loss(torch.nn.Module):
    """Squared error of one episode's recall, and what the memory adds to it."""

    def __init__(self, memory: Any) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, events: list[Tensor], queries: list[Tensor], wanted: Tensor) -> Tensor:
        state = self.memory.write(self.memory.init_state(), *events)
        error = (self.memory.read(state, *queries) - wanted).square().mean()
        return error + self.memory.auxiliary_loss(state, *queries)


@by_memory
def test_every_slow_weight_of_every_lane_learns_in_one_call(
    name: str, reference: Callable[[Any], Any], params: dict[str, Any]
) -> None:
    """vmap(grad) over lanes and episodes equals the lanes' own backward passes; none is zero.

    With a `level` the leaves' own score takes no part, and with it context and recency.
    """
    losses = [Loss(made(name, params, seed)) for seed in range(3)]
    pairs = [drawn(seed) for seed in (5, 6)]
    events, queries = (
        [torch.stack(same) for same in zip(*(pair[which] for pair in pairs), strict=True)]
        for which in (0, 1)
    )
    wanted = torch.randn(2, Q, V, dtype=torch.float64, generator=generator(7))
    weights, buffers = stack_module_state(losses)

    def loss(own: dict[str, Tensor], fixed: dict[str, Tensor]) -> Tensor:
        def episode(*parts: Any) -> Tensor:
            found: Tensor = functional_call(losses[0], (own, fixed), parts)
            return found

        return vmap(episode)(events, queries, wanted).mean()

    gradients = vmap(grad(loss))(weights, buffers)
    idle = ("context_weight", "recency_weight", "log_recency_rate", "ancestor_weight")
    for lane, module in enumerate(losses):
        total = sum(
            module([x[i] for x in events], [x[i] for x in queries], wanted[i]) for i in range(2)
        )
        (total / 2).backward()
        for weight, parameter in module.named_parameters():
            if params.get("level") and weight.endswith(idle):
                assert parameter.grad is None
                assert not gradients[weight][lane].any()
            else:
                close(gradients[weight][lane], parameter.grad)
                assert float(parameter.grad.abs().max()) > 0
