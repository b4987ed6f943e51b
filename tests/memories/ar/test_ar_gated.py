"""The gated memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from memories.base import InvalidParameter, State, state_floats
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.memories.trained import moved
from tests.reference import ar_gated


def gated(seed: int = 0, **params: object) -> object:
    return build("ar-gated", seed, **params)


def written(memory: object, keys: Tensor, values: Tensor, contexts: Tensor | None = None) -> State:
    return memory.write(memory.init_state(), keys, values, None, contexts)


@torch.no_grad()
def closed(memory: object) -> object:
    """The memory with a gate that looks at the first coordinate of a key, which decides all."""
    for weights in (memory.gate.first.weight, memory.gate.first.bias, memory.gate.last.weight):
        weights.zero_()
    memory.gate.first.weight[0, 0] = 1.0
    memory.gate.last.weight[0, 0] = 100.0
    memory.gate.bias.fill_(-10.0)
    return memory


@torch.no_grad()
@pytest.mark.parametrize("context_dim", [0, 8])
def test_untrained_gates_let_nearly_everything_in(context_dim: int) -> None:
    """Between 0.75 and 0.95 for every event of 30 initialisations, D = V = 32."""
    for seed in range(30):
        memory = gated(seed, key_dim=32, value_dim=32, context_dim=context_dim)
        keys, values = events(seed, 20, key_dim=32, value_dim=32)
        gates = memory.gates(memory.init_state(), keys, values)
        assert float(gates.min()) > 0.75
        assert float(gates.max()) < 0.95


@torch.no_grad()
@pytest.mark.parametrize("policy", ["soft", "hard"])
def test_untrained_it_recalls_distinct_keys(policy: str) -> None:
    """Gates of 0.88 +- 0.05 shift scores by 0.06, keys of cosine 1 stand 16 above the others."""
    keys, values = orthonormal(1, 20, 32), unit_rows(2, 20, 7)
    memory = gated(key_dim=32, value_dim=7, policy=policy)
    recalled = memory.read(written(memory, keys, values), keys)
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("contexts", [False, True])
@pytest.mark.parametrize("policy", ["soft", "hard"])
@pytest.mark.parametrize("target", ["slots", "fast-weights"])
def test_gates_and_reads_equal_the_loop(target: str, policy: str, contexts: bool) -> None:
    params = {"context_dim": 4, "capacity": 7, "policy": policy, "target": target}
    memory = moved(gated(**params), 1, 0.5).double()
    keys, values = events(3, 25, dtype=torch.float64)
    given = events(4, 25, key_dim=4, dtype=torch.float64)[0] if contexts else None
    rules = {
        "slow": dict(memory.named_parameters()),
        "policy": policy,
        "fast": target == "fast-weights",
        "capacity": 7,
        "contexts": given,
    }
    _, gates = ar_gated.written(keys, values, **rules)
    seen = memory.gates(memory.init_state(), keys, values, given)
    torch.testing.assert_close(seen, torch.stack(gates), rtol=0, atol=1e-10)
    assert policy == "soft" or 0 < int((seen > 0.5).sum()) < 25
    recalled = memory.read(written(memory, keys, values, given), keys)
    expected = ar_gated.recall(keys, values, keys, **rules)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_a_hard_gate_stores_what_it_lets_in_and_nothing_else() -> None:
    """Keys whose first coordinate is positive pass; capacity counts only those."""
    keys, values = torch.eye(8), unit_rows(1, 8, 5)
    keys = torch.where(torch.arange(8)[:, None] % 2 == 0, keys + torch.eye(8)[0], keys)
    memory = closed(gated(key_dim=8, value_dim=5, policy="hard"))
    state = written(memory, keys, values)
    assert int(state["stored"]) == 4
    assert state["index"][:4].tolist() == [0, 2, 4, 6]
    assert int(state["count"]) == 8
    only = written(memory, keys[::2], values[::2])
    torch.testing.assert_close(memory.read(state, keys), memory.read(only, keys), rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_soft_gate_weighs_two_values_of_one_key_by_their_gates() -> None:
    """Equal cosines: weights g_1 and g_2 over their sum, here 1 against 4.5e-5 + 1e-6."""
    memory = closed(gated(key_dim=4, value_dim=2))
    state = written(memory, torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]), torch.eye(2))
    recalled = memory.read(state, torch.tensor([[1.0, 1.0, 0, 0]]))[0]
    shut = torch.sigmoid(torch.tensor(-10.0)) + 1e-6
    expected = torch.stack([1 / (1 + shut), shut / (1 + shut)])
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_slot_with_the_smallest_aged_gate_gives_way() -> None:
    """Three slots, the second event's gate nearly shut: the fourth takes its place."""
    keys = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 0, 1.0, 0], [1.0, 0, 0, 1.0]])
    memory = closed(gated(key_dim=4, value_dim=2, capacity=3))
    state = written(memory, keys, unit_rows(1, 4, 2))
    assert state["index"].tolist() == [0, 3, 2]
    again = memory.write(state, keys[:1], unit_rows(2, 1, 2))
    assert again["index"].tolist() == [4, 3, 2]


@torch.no_grad()
def test_fast_weights_are_the_gated_sum_of_outer_products() -> None:
    keys, values = torch.eye(3)[:2], unit_rows(1, 2, 5)
    memory = closed(gated(key_dim=3, value_dim=5, target="fast-weights", write_strength=2.0))
    state = written(memory, keys, values)
    torch.testing.assert_close(state["fast_weights"][0], 2 * values[0], rtol=0, atol=1e-5)
    assert float(state["fast_weights"][1].abs().max()) < 2e-4
    assert "keys" not in state


def test_the_auxiliary_loss_is_a_hundredth_of_the_mean_gate_and_pulls_it_shut() -> None:
    memory = gated()
    keys, values = events(1, 12)
    start = memory.init_state()
    assert float(memory.auxiliary_loss(start, keys)) == 0.0
    state = memory.write(memory.write(start, keys[:5], values[:5]), keys[5:], values[5:])
    loss = memory.auxiliary_loss(state, keys)
    gates = memory.gates(start, keys, values)
    assert float(loss.detach()) == pytest.approx(0.01 * float(gates.detach().mean()), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, memory.gate.bias)
    slope = float((gates * (1 - gates)).detach().mean())
    assert float(gradient) == pytest.approx(0.01 * slope, rel=0.05)


def test_a_hard_gate_passes_the_gradient_of_the_gate() -> None:
    """With fast weights dF/dg = k^T v whether or not the event was let in."""
    for bias in (-1.0, 1.0):
        memory = gated(policy="hard", target="fast-weights")
        with torch.no_grad():
            memory.gate.bias.fill_(bias)
        key, value = events(1, 1)
        state = memory.write(memory.init_state(), key, value)
        towards = torch.outer(key[0] / key[0].norm(), value[0])
        (gradient,) = torch.autograd.grad(state["fast_weights"].sum(), memory.gate.bias)
        gate = float(memory.gates(memory.init_state(), key, value).detach())
        assert (gate > 0.5) is (bias > 0)
        assert float(gradient) == pytest.approx(gate * (1 - gate) * float(towards.sum()), rel=1e-3)


@pytest.mark.parametrize("policy", ["soft", "hard"])
def test_gradients_reach_gate_and_drift(policy: str) -> None:
    memory = gated(policy=policy)
    keys, values = events(1, 12)
    state = memory.write(memory.init_state(), keys, values)
    loss = (memory.read(state, keys + 0.5) - values).square().mean()
    gradients = torch.autograd.grad(loss, tuple(memory.parameters()))
    assert all(float(g.abs().max()) > 0 and g.isfinite().all() for g in gradients)


def test_training_teaches_the_gate_to_prefer_what_will_be_asked() -> None:
    """Half of 12 events carry a cue along one direction, and only those are queried.

    At beta = 2 the slots of all events mix in every read, so that a gate shut on the others
    helps: after 60 steps cued events have gates higher by 0.15, from no difference before.
    """
    memory = gated(key_dim=8, value_dim=8, capacity=12, beta=2.0)
    generator = torch.Generator().manual_seed(3)
    optimiser = torch.optim.Adam(memory.parameters(), lr=0.02)
    differences = []
    for _ in range(60):
        keys, values = torch.randn(2, 12, 8, generator=generator)
        asked = torch.rand(12, generator=generator).argsort() < 6
        keys = keys + 2 * asked[:, None] * torch.eye(8)[0]
        state = memory.write(memory.init_state(), keys, values)
        loss = (memory.read(state, keys[asked]) - values[asked]).square().mean()
        optimiser.zero_grad()
        (loss + memory.auxiliary_loss(state, keys[asked])).backward()
        optimiser.step()
        gates = memory.gates(memory.init_state(), keys, values).detach()
        differences.append(float(gates[asked].mean() - gates[~asked].mean()))
    assert abs(differences[0]) < 0.05
    assert sum(differences[-10:]) / 10 > 0.15


@torch.no_grad()
@pytest.mark.parametrize("policy", ["soft", "hard"])
def test_slots_not_in_use_are_neither_read_nor_carried_on(policy: str) -> None:
    memory = moved(gated(capacity=9, policy=policy), 2, 0.3)
    keys, values = events(5, 5)
    state = written(memory, keys, values)
    unused = ~memory.valid(state)
    assert memory.slot_state == ("keys", "values", "gates")
    filled = {
        name: torch.where(
            unused.reshape(-1, *[1] * (state[name].dim() - 1)), torch.nan, state[name]
        )
        for name in memory.slot_state
    }
    poisoned = {**state, **filled}
    assert torch.equal(memory.read(poisoned, keys), memory.read(state, keys))
    more = events(6, 12)
    after = memory.read(memory.write(poisoned, *more), keys)
    assert torch.equal(after, memory.read(memory.write(state, *more), keys))


@pytest.mark.parametrize("context_dim", [0, 8])
def test_the_most_slots_within_a_budget(context_dim: int) -> None:
    """Per slot D + V words, a gate and a number of two; the drift is part of the state."""
    memory = gated(context_dim=context_dim)
    capacity = memory.from_budget(500, 6, 5, context_dim=context_dim)["capacity"]
    drift = context_dim or 6
    assert capacity == (500 - drift) // (6 + 5 + 3)
    sized = gated(context_dim=context_dim, capacity=capacity)
    assert state_floats(sized.init_state()) == capacity * 14 + drift


def test_fast_weights_have_one_size() -> None:
    """D x V floats, and a drift as wide as the keys."""
    assert gated().from_budget(36, 6, 5, target="fast-weights") == {}
    with pytest.raises(InvalidParameter, match="must be >= 36, its only size"):
        gated().from_budget(35, 6, 5, target="fast-weights")
    memory = gated(target="fast-weights", key_dim=6, value_dim=5)
    assert state_floats(memory.init_state()) == 6 * 5 + 6
    assert memory.slot_state == ()


@torch.no_grad()
@pytest.mark.parametrize(
    ("parameter", "settings", "fixed"),
    [
        ("beta", (2.0, 16.0), {}),
        ("retention", (0.5, 1.0), {"capacity": 5}),
        ("write_strength", (0.5, 1.0), {"target": "fast-weights"}),
    ],
)
def test_lanes_may_differ_in_a_scalar(
    parameter: str, settings: tuple[float, float], fixed: dict[str, object]
) -> None:
    memories = [moved(gated(**fixed, **{parameter: s}), 0, 0.5) for s in settings]
    keys, values = events(10, 15)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=5e-6, atol=5e-6)
    assert (reads[0] - reads[1]).abs().max() > 1e-3
