"""Every memory equals the loop over events that defines it, alone and among lanes."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from bench.lanes import Lanes
from memories.base import AssociativeMemory
from tests.memories.case import VALUE_DIM, Case, build, events
from tests.memories.cases import CASES, DIFFERENTIABLE

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """float64 sums of 40 terms in two orders differ by less than 1e-12 of the largest."""
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10 * scale)


@by_case
@pytest.mark.parametrize("n", [1, 7, 23])
def test_recall_equals_the_loop_over_events(case: Case, n: int) -> None:
    """The slot memories among the cases have 7 to 40 slots: below, at and above capacity."""
    memory = case.build(dtype=torch.float64)
    keys, values = events(1, n, dtype=torch.float64)
    queries = torch.cat([keys[:5], events(2, 6, dtype=torch.float64)[0]])
    recalled = memory.read(memory.write(memory.init_state(), keys, values), queries)
    close(recalled, case.reference(memory)(keys, values, queries))


@by_case
def test_recall_of_rewritten_and_zero_keys_equals_the_loop(case: Case) -> None:
    memory = case.build(dtype=torch.float64)
    keys, values = events(3, 6, dtype=torch.float64)
    keys, values = torch.cat([keys, keys[:3], 0 * keys[:1]]), torch.cat([values, -values[:4]])
    queries = torch.cat([keys, 0 * keys[:1]])
    recalled = memory.read(memory.write(memory.init_state(), keys, values), queries)
    close(recalled, case.reference(memory)(keys, values, queries))


@by_case
@pytest.mark.parametrize("inclusive", [True, False])
def test_scan_equals_writing_and_reading_in_turn(case: Case, inclusive: bool) -> None:
    memory = case.build(dtype=torch.float64)
    keys, values = events(4, 21, dtype=torch.float64)
    queries = events(5, 21, dtype=torch.float64)[0]
    start = memory.write(memory.init_state(), *events(6, 4, dtype=torch.float64))
    reads, state = memory.scan(start, keys, values, queries, inclusive=inclusive)
    expected, last = AssociativeMemory.scan(
        memory, start, keys, values, queries, inclusive=inclusive
    )
    close(reads, expected)
    assert state.keys() == last.keys()
    for name in state:
        close(state[name].double(), last[name].double())


@by_case
def test_scan_of_nothing_returns_nothing_and_the_same_state(case: Case) -> None:
    memory = case.build()
    keys, values = events(7, 5)
    start = memory.write(memory.init_state(), keys, values)
    reads, state = memory.scan(start, keys[:0], values[:0], keys[:0])
    assert reads.shape == (0, VALUE_DIM)
    for name in start:
        torch.testing.assert_close(state[name], start[name], rtol=0, atol=0)


@by_case
@pytest.mark.parametrize(
    ("dtype", "bound"),
    [(torch.float64, 1e-12), pytest.param(torch.float32, 5e-6, marks=pytest.mark.slow)],
)
def test_four_lanes_equal_four_single_runs(case: Case, dtype: torch.dtype, bound: float) -> None:
    """Reads, scans and states, each lane with a seed of its own.

    Rounding depends on the shape of a matrix product; beta = 16 multiplies it in a softmax.
    """
    memories = [case.build(seed, dtype) for seed in range(4)]
    drawn = [events(seed, 23, dtype=dtype) for seed in range(4)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    queries = torch.stack([events(50 + seed, 9, dtype=dtype)[0] for seed in range(4)])
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys, values)
    reads = lanes.read(state, queries)
    scanned, _ = lanes.scan(lanes.init_state(), keys, values, keys)
    for i, memory in enumerate(memories):
        alone = memory.write(memory.init_state(), keys[i], values[i])
        single_scan = memory.scan(memory.init_state(), keys[i], values[i], keys[i])[0]
        pairs = [(reads[i], memory.read(alone, queries[i])), (scanned[i], single_scan)]
        for among, single in [*pairs, *((state[name][i], alone[name]) for name in alone)]:
            gap = (among.double() - single.double()).abs()
            assert (gap <= bound * single.double().abs().clamp(min=1)).all()


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.id)
def test_gradients_equal_those_of_the_loop(case: Case) -> None:
    """Through the writes: of keys, values and slow weights; 23 events span chunks of 7 and 8."""
    memory = case.build(dtype=torch.float64)
    keys, values = events(8, 23, dtype=torch.float64)
    queries = events(9, 6, dtype=torch.float64)[0]
    towards = torch.randn(6, VALUE_DIM, dtype=torch.float64, generator=torch.Generator())
    inputs = (keys.requires_grad_(), values.requires_grad_(), *memory.parameters())

    def gradients(recalled: torch.Tensor) -> tuple[torch.Tensor, ...]:
        score = (recalled * towards).sum()
        return torch.autograd.grad(score, inputs, materialize_grads=True)

    vectorised = gradients(memory.read(memory.write(memory.init_state(), keys, values), queries))
    looped = gradients(case.reference(memory)(keys, values, queries))
    assert any(gradient.abs().max() > 0 for gradient in vectorised)
    for ours, theirs in zip(vectorised, looped, strict=True):
        close(ours, theirs)


@pytest.mark.parametrize(
    ("name", "parameter", "settings", "fixed"),
    [
        ("exact-knn", "temperature", (0.1, 0.5), {"k": 3}),
        ("ring-attention", "beta", (2.0, 16.0), {}),
        ("ring-attention", "recency", (0.0, 0.5), {}),
        ("linear-assoc", "decay", (0.9, 1.0), {}),
        ("linear-assoc", "write_strength", (0.5, 1.0), {}),
        ("linear-assoc", "length_scale", (0.5, 1.0), {"phi": "rff", "features": 8}),
        ("delta", "write_strength", (0.5, 1.0), {"passes": 2}),
        ("gated-delta", "decay", (0.5, 1.0), {}),
        ("gated-delta", "write_strength", (0.5, 1.0), {}),
        ("ridge-assoc", "ridge", (0.1, 1.0), {}),
        ("ridge-assoc", "decay", (0.9, 1.0), {"form": "covariance", "ridge": 0.1}),
        ("spectral-kv", "ridge", (0.0, 1.0), {}),
        ("spectral-kv", "decay", (0.5, 1.0), {"window": 9}),
        ("spectral-kv-joint", "value_scale", (0.5, 1.0), {"components": 3}),
        ("spectral-kv-strict", "decay", (0.5, 1.0), {"components": 3}),
        ("hrr", "length_scale", (0.5, 1.0), {"width": 64}),
        ("ar-fast-weights", "write_strength", (0.5, 1.0), {"rule": "delta"}),
        ("ar-fast-weights-src", "write_strength", (0.01, 1.0), {}),
        ("ar-rag", "beta", (2.0, 16.0), {}),
    ],
)
def test_lanes_may_differ_in_a_scalar(
    name: str, parameter: str, settings: tuple[float, float], fixed: dict[str, object]
) -> None:
    """A grid over such a scalar is one stack; 5e-6 is float32 rounding times beta."""
    memories = [build(name, **{parameter: setting}, **fixed) for setting in settings]
    keys, values = events(10, 15)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(memory.write(memory.init_state(), keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=5e-6, atol=5e-6)
    assert (reads[0] - reads[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ar-fast-weights", {"rule": "delta", "learn_decay": True, "proj": "learned"}),
        ("ar-fast-weights", {"feature": "elu1", "proj": "learned"}),
        ("ar-fast-weights-src", {}),
        ("ar-rag", {"proj": "learned", "fusion": "residual-attn", "value_dim": 8}),
    ],
)
def test_slow_weights_of_all_lanes_train_in_one_call(name: str, params: dict[str, object]) -> None:
    """vmap(grad) through writes and reads equals each lane's own backward pass."""
    memories = [build(name, seed, **params).double() for seed in range(3)]
    keys, values = events(11, 12, value_dim=memories[0].value_dim, dtype=torch.float64)

    class Loss(torch.nn.Module):
        def __init__(self, memory: AssociativeMemory) -> None:
            super().__init__()
            self.memory = memory

        def forward(self) -> torch.Tensor:
            state = self.memory.write(self.memory.init_state(), keys, values)
            return ((self.memory.read(state, keys + 0.1) - values) ** 2).mean()

    losses = [Loss(memory) for memory in memories]
    stacked, buffers = stack_module_state(losses)

    def loss(weights: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(losses[0], (weights, buffers), ())

    gradients = vmap(grad(loss))(stacked, buffers)
    for lane, module in enumerate(losses):
        module().backward()
        for weight, parameter in module.named_parameters():
            close(gradients[weight][lane], parameter.grad)
        assert any(float(p.grad.abs().max()) > 0 for p in module.parameters())
