"""The neural dictionary: kernel weights, updates in place, least recently used replacement."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.lanes import Lanes
from memories.slots import dnd as module
from tests.memories.case import build, events, generator, orthonormal
from tests.reference import dnd as loop


def written(memory: object, keys: torch.Tensor, values: torch.Tensor) -> dict[str, torch.Tensor]:
    return memory.write(memory.init_state(), keys, values)


def crowded(seed: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys out of 27 points, so that many are rewritten, and random values."""
    keys = torch.randint(-1, 2, (n, 3), generator=generator(seed)).double()
    return keys, torch.randn(n, 2, generator=generator(seed + 1), dtype=torch.float64)


def test_orthonormal_keys_get_the_weights_of_the_kernel() -> None:
    """|q - h|^2 is 0 for one and 2 for the p - 1 = 4 others: 1000 against 4 / 2.001."""
    memory = build("dnd", key_dim=8, value_dim=8, capacity=8, top_k=5).double()
    keys = orthonormal(1, 8, 8).double()
    info = memory.read_info(written(memory, keys, keys), keys)
    exact = 1000 / (1000 + 4 / 2.001)
    # the offset was float32 and keys orthonormal to 1e-6: that much of the others' share, 0.002
    torch.testing.assert_close(
        info["weights"].diagonal(), torch.full((8,), exact, dtype=keys.dtype), rtol=0, atol=1e-8
    )
    assert ((info["weights"] > 0).sum(-1) == 5).all()


@pytest.mark.parametrize("update_rate", [0.125, 0.5, 1.0])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_rewriting_a_key_moves_its_value_by_the_rate(update_rate: float, times: int) -> None:
    """v <- v + rate (w - v), j times: w + (1 - rate)^j (v - w)."""
    memory = build(
        "dnd", key_dim=8, value_dim=3, capacity=8, top_k=1, update_rate=update_rate
    ).double()
    keys = orthonormal(1, 8, 8).double()
    old, new = (torch.randn(8, 3, generator=generator(s)).double() for s in (1, 2))
    state = written(memory, keys, old)
    for _ in range(times):
        state = memory.write(state, keys, new)
    expected = new + (1 - update_rate) ** times * (old - new)
    torch.testing.assert_close(memory.read(state, keys), expected, rtol=0, atol=1e-12)


def test_the_slot_written_longest_ago_is_replaced() -> None:
    """a b c fill three slots, a is rewritten, and d takes the place of b."""
    memory = build("dnd", key_dim=4, value_dim=1, capacity=3, top_k=1, update_rate=1.0)
    a, b, c, d = torch.eye(4)
    keys = torch.stack([a, b, c, a, d])
    state = written(memory, keys, torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]))
    assert torch.equal(state["keys"], torch.stack([a, d, c]))
    assert state["values"][:, 0].tolist() == [4.0, 5.0, 3.0]
    assert state["last_used"].tolist() == [3, 4, 2]
    assert memory.read_info(state, keys)["age"].tolist() == [1, 0, 2]


def test_reading_is_no_use() -> None:
    memory = build("dnd", key_dim=4, value_dim=1, capacity=2)
    keys = torch.eye(4)
    state = written(memory, keys[:2], keys[:2, :1])
    memory.read(state, keys[:1].expand(9, -1))
    state = memory.write(state, keys[2:3], keys[2:3, :1])
    assert torch.equal(state["keys"][0], keys[2])


@pytest.mark.parametrize(("offset", "slots"), [(0.09, 1), (0.11, 2)])
def test_a_key_within_the_tolerance_is_the_stored_one(offset: float, slots: int) -> None:
    """Squared distances 0.0081 and 0.0121 against 0.01; the stored key is not moved."""
    memory = build("dnd", key_dim=2, value_dim=1, capacity=4, tolerance=0.01, update_rate=1.0)
    keys = torch.tensor([[1.0, 0.0], [1.0, offset]])
    state = written(memory, keys, torch.tensor([[1.0], [2.0]]))
    assert int(memory.valid(state).sum()) == slots
    assert torch.equal(state["keys"][0], keys[0])
    assert float(state["values"][0, 0]) == (2.0 if slots == 1 else 1.0)


@pytest.mark.parametrize("capacity", [1, 5, 20, 40])
def test_many_updates_and_replacements_equal_the_list_of_slots(capacity: int) -> None:
    """600 events over three chunks; capacities below and above the 27 different keys."""
    memory = build("dnd", key_dim=3, value_dim=2, capacity=capacity, update_rate=0.25).double()
    keys, values = crowded(1, 600)
    assert len(keys) > 2 * module.CHUNK
    state = written(memory, keys, values)
    slots = loop.written(keys, values, capacity=capacity, update_rate=0.25)
    n = len(slots)
    assert n == min(capacity, 27)
    assert torch.equal(state["keys"][:n], torch.stack([slot.key for slot in slots]))
    assert state["last_used"][:n].tolist() == [slot.last_used for slot in slots]
    expected = torch.stack([slot.value for slot in slots])
    torch.testing.assert_close(state["values"][:n], expected, rtol=0, atol=1e-12)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 60), max_size=4))
def test_updates_in_parts_equal_updates_at_once(seed: int, cuts: list[int]) -> None:
    memory = build("dnd", key_dim=3, value_dim=2, capacity=9, update_rate=0.5).double()
    keys, values = crowded(seed, 60)
    state = memory.init_state()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        state = memory.write(state, keys[start:end], values[start:end])
    whole = written(memory, keys, values)
    for name in ("keys", "last_used", "count"):
        assert torch.equal(state[name], whole[name])
    torch.testing.assert_close(state["values"], whole["values"], rtol=0, atol=1e-12)


def test_evidence_explains_the_value() -> None:
    memory = build("dnd", capacity=9, top_k=4)
    keys, values = events(7, 12)
    state = written(memory, keys, values)
    info = memory.read_info(state, keys)
    assert torch.equal(info["values"], memory.read(state, keys))
    torch.testing.assert_close(info["weights"] @ state["values"], info["values"], rtol=0, atol=1e-6)
    torch.testing.assert_close(info["weights"].sum(-1), torch.ones(12), rtol=0, atol=1e-6)
    best = info["sim"].topk(4).indices
    assert (info["weights"].gather(-1, best) > 0).all()
    assert info["valid"].all()


def test_slots_as_near_as_the_last_neighbour_are_all_read() -> None:
    """From the origin all four unit vectors are equally near: their mean, whatever top_k."""
    memory = build("dnd", key_dim=4, value_dim=4, capacity=6, top_k=2)
    recalled = memory.read(written(memory, torch.eye(4), torch.eye(4)), torch.zeros(1, 4))
    torch.testing.assert_close(recalled, torch.full((1, 4), 0.25))


def test_a_query_on_a_stored_key_has_a_finite_gradient() -> None:
    """The root of a squared distance has none at zero."""
    memory = build("dnd", capacity=9)
    keys, values = events(7, 5)
    keys.requires_grad_()
    (gradient,) = torch.autograd.grad(
        memory.read(written(memory, keys, values), keys).square().sum(), keys
    )
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize(
    ("parameter", "pair"),
    [("update_rate", (0.25, 1.0)), ("kernel_offset", (1e-3, 1.0)), ("tolerance", (1e-6, 0.5))],
)
def test_lanes_may_differ_in_a_scalar(parameter: str, pair: tuple[float, float]) -> None:
    memories = [
        build("dnd", key_dim=3, value_dim=2, capacity=20, **{parameter: setting}).double()
        for setting in pair
    ]
    keys, values = crowded(3, 30)
    # some keys lie close to each other, and all are written twice
    keys = (keys + 0.1 * values[:, :1])[:15].repeat(2, 1)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=0, atol=1e-12)
    assert (reads[0] - reads[1]).abs().max() > 1e-3
