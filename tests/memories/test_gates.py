"""Scans with gates of each event's own, against the recurrence they stand for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from memories.base import InvalidParameter
from memories.matrix.decays import between, since_start, to_end
from tests.memories.case import KEY_DIM, VALUE_DIM, build, events, generator
from tests.reference.features import unit

GATED = [
    ("linear-assoc", {"write", "keep"}),
    ("delta", {"write"}),
    ("gated-delta", {"write", "keep"}),
    ("ar-fast-weights", {"write", "keep"}),
]
by_memory = pytest.mark.parametrize(("name", "taken"), GATED, ids=[name for name, _ in GATED])


def drawn_gates(seed: int, n: int, names: set[str]) -> dict[str, Tensor]:
    """Gates in (0, 1)."""
    drawn = torch.rand(2, n, generator=generator(seed), dtype=torch.float64)
    return {name: drawn[i] for i, name in enumerate(("write", "keep")) if name in names}


def in_turn(
    start: Tensor,
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    gates: dict[str, Tensor],
    *,
    delta: bool,
    inclusive: bool,
) -> tuple[Tensor, Tensor]:
    """Reads and last weights of W <- keep W + write k^T (v - keep k W), the correction optional."""
    weights, reads = start, []
    for t, (k, v, q) in enumerate(zip(map(unit, keys), values, map(unit, queries), strict=True)):
        if not inclusive:
            reads.append(q @ weights)
        weights = gates["keep"][t] * weights if "keep" in gates else weights
        target = v - k @ weights if delta else v
        weights = weights + gates["write"][t] * torch.outer(k, target)
        if inclusive:
            reads.append(q @ weights)
    return torch.stack(reads), weights


@by_memory
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("n", [1, 63, 150])
def test_a_gated_scan_equals_the_loop(name: str, taken: set[str], inclusive: bool, n: int) -> None:
    """Chunks of 64, from a state that is not empty; 1e-10 is float64 rounding of 150 steps."""
    memory = build(name).double()
    keys, values = events(1, n, dtype=torch.float64)
    queries = events(2, n, dtype=torch.float64)[0]
    gates = drawn_gates(3, n, taken)
    start = memory.write(memory.init_state(), *events(4, 5, dtype=torch.float64))
    reads, state = memory.scan(start, keys, values, queries, gates=gates, inclusive=inclusive)
    expected, last = in_turn(
        start["fast_weights"],
        keys,
        values,
        queries,
        gates,
        delta=name in ("delta", "gated-delta"),
        inclusive=inclusive,
    )
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(state["fast_weights"], last, rtol=0, atol=1e-10)
    assert int(state["count"]) == 5 + n


@pytest.mark.parametrize(
    ("name", "params", "gates"),
    [
        ("linear-assoc", {"write_strength": 0.5, "decay": 0.75}, {"write": 0.5, "keep": 0.75}),
        ("linear-assoc", {"decay": 0.75, "phi": "dpfp", "normalise": True}, {"keep": 0.75}),
        ("delta", {"write_strength": 0.5}, {"write": 0.5}),
        ("delta", {"write_strength": 0.5, "passes": 3, "chunk": 7}, {"write": 0.5}),
        ("gated-delta", {"write_strength": 0.5, "decay": 0.75}, {"write": 0.5, "keep": 0.75}),
        ("gated-delta", {"decay": 0.75}, {"keep": 0.75}),
    ],
)
@pytest.mark.parametrize("inclusive", [True, False])
def test_constant_gates_are_the_scalars_they_replace(
    name: str, params: dict[str, Any], gates: dict[str, float], inclusive: bool
) -> None:
    """The memory that is given gates has other scalars, which must not show."""
    replaced = {"write": "write_strength", "keep": "decay"}
    others = {k: v for k, v in params.items() if k not in {replaced[gate] for gate in gates}}
    scalar, gated = build(name, **params).double(), build(name, **others).double()
    keys, values = events(1, 90, dtype=torch.float64)
    full = {gate: torch.full((90,), setting).double() for gate, setting in gates.items()}
    expected, last = scalar.scan(scalar.init_state(), keys, values, keys, inclusive=inclusive)
    reads, state = gated.scan(
        gated.init_state(), keys, values, keys, gates=full, inclusive=inclusive
    )
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-10)
    for entry in last:
        torch.testing.assert_close(state[entry], last[entry], rtol=0, atol=1e-10)


@by_memory
@pytest.mark.parametrize("closed", [0.0, 1e-30])
def test_closed_gates_leave_reads_and_gradients_finite(
    name: str, taken: set[str], closed: float
) -> None:
    """A sigmoid underflows to zero in float32; what is kept then is nothing, not NaN."""
    memory = build(name)
    keys, values = events(5, 100)
    gates = {gate: g.float() for gate, g in drawn_gates(6, 100, taken).items()}
    gates = {gate: torch.where(torch.arange(100) % 3 == 1, closed, g) for gate, g in gates.items()}
    inputs = {gate: g.clone().requires_grad_() for gate, g in gates.items()}
    reads, _ = memory.scan(memory.init_state(), keys, values, keys, gates=inputs)
    assert reads.isfinite().all()
    for gradient in torch.autograd.grad(reads.square().sum(), list(inputs.values())):
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0
    expected, _ = in_turn(
        memory.init_state()["fast_weights"],
        keys,
        values,
        keys,
        gates,
        delta=name in ("delta", "gated-delta"),
        inclusive=True,
    )
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-4)


@by_memory
def test_gradients_of_gates_equal_those_of_the_loop_in_every_lane(
    name: str, taken: set[str]
) -> None:
    """vmap(grad) over three sequences with gates of their own."""
    memory = build(name).double()
    drawn = [events(seed, 70, dtype=torch.float64) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    gates = [drawn_gates(10 + seed, 70, taken) for seed in range(3)]
    stacked = {gate: torch.stack([g[gate] for g in gates]) for gate in taken}

    class Scan(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = memory

        def forward(self, keys: Tensor, values: Tensor, gates: dict[str, Tensor]) -> Tensor:
            reads, _ = self.memory.scan(memory.init_state(), keys, values, keys, gates=gates)
            return (reads - values).square().mean()

    scan = Scan()
    call = vmap(grad(lambda g, k, v: functional_call(scan, {}, (k, v, g))), in_dims=(0, 0, 0))
    gradients = call(stacked, keys, values)
    for lane in range(3):
        inputs = {gate: g.clone().requires_grad_() for gate, g in gates[lane].items()}
        reads, _ = in_turn(
            torch.zeros(KEY_DIM, VALUE_DIM, dtype=torch.float64),
            keys[lane],
            values[lane],
            keys[lane],
            inputs,
            delta=name in ("delta", "gated-delta"),
            inclusive=True,
        )
        (reads - values[lane]).square().mean().backward()
        for gate, leaf in inputs.items():
            torch.testing.assert_close(gradients[gate][lane], leaf.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("linear-assoc", "forget"),
        ("delta", "keep"),
        ("gated-delta", "forget"),
        ("ring-attention", "write"),
        ("exact-knn", "keep"),
        ("sdm", "write"),
    ],
)
def test_a_gate_that_a_memory_does_not_take_is_refused(name: str, given: str) -> None:
    memory = build(name)
    keys, values = events(1, 3)
    with pytest.raises(InvalidParameter, match=f"takes no gate {given}") as caught:
        memory.scan(memory.init_state(), keys, values, keys, gates={given: torch.ones(3)})
    assert caught.value.parameter == "gates"


@pytest.mark.parametrize("shift", [0, 1])
def test_decays_of_each_event_multiply(shift: int) -> None:
    """Products by hand for decays 1/2, 1/3, 1/5; one above what is read."""
    decay = torch.tensor([1 / 2, 1 / 3, 1 / 5], dtype=torch.float64)
    left = between(decay, 3, shift)
    after = torch.tensor([[1, 1, 1], [1 / 3, 1, 1], [1 / 15, 1 / 5, 1]], dtype=torch.float64)
    before = torch.tensor([[1, 1, 1], [1, 1, 1], [1 / 3, 1, 1]], dtype=torch.float64)
    torch.testing.assert_close(left, before if shift else after)
    start = [1, 1 / 2, 1 / 6] if shift else [1 / 2, 1 / 6, 1 / 30]
    torch.testing.assert_close(since_start(decay, 3, shift), torch.tensor(start).double())
    of_start, of_updates = to_end(decay, 3)
    torch.testing.assert_close(of_start, torch.tensor(1 / 30).double())
    torch.testing.assert_close(of_updates, torch.tensor([1 / 15, 1 / 5, 1]).double())


@pytest.mark.parametrize("shift", [0, 1])
def test_one_decay_for_all_events_is_that_decay_at_each(shift: int) -> None:
    scalar, each = torch.tensor(0.75).double(), torch.full((6,), 0.75).double()
    lower = torch.ones(6, 6).tril(-shift).bool()
    ours, theirs = between(each, 6, shift), between(scalar, 6, shift)
    torch.testing.assert_close(ours[lower], theirs[lower])
    torch.testing.assert_close(since_start(each, 6, shift), since_start(scalar, 6, shift))
    for one, other in zip(to_end(each, 6), to_end(scalar, 6), strict=True):
        torch.testing.assert_close(one, other)
