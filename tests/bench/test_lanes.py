"""Stacked memories: the numbers of each alone, and what cannot be stacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from bench import lanes as lanes_module
from bench.lanes import LaneMismatch, Lanes
from memories.backbones.dlinear import DLinear
from memories.base import AssociativeMemory, State
from memories.floors.mean_value import MeanValue
from memories.forecasters.online.ogd import OGD
from memories.matrix.delta import Delta
from memories.matrix.linear_assoc import LinearAssociator

D, V, N, S = 6, 5, 9, 4
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
"""Stacked products may add in another order than single ones."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


class Gain(AssociativeMemory):
    """A matrix memory with a slow weight, a scalar and a buffer; offers everything lanes call."""

    def __init__(self, seed: int = 0, rate: float = 0.5, width: int = V) -> None:
        super().__init__()
        self.width = width
        self.mix = nn.Parameter(normal(seed, D, D))
        self.register_buffer("fixed", normal(seed + 50, D))
        self.scalar("rate", rate)

    def init_state(self) -> State:
        return {
            "weights": torch.zeros(D, self.width),
            "count": torch.zeros((), dtype=torch.int64),
        }

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        if times is not None:
            values = values * times[:, None]
        if contexts is not None:
            keys = keys + contexts
        change = (keys @ self.mix + self.fixed).T @ values
        return {
            "weights": state["weights"] + self.rate * change,
            "count": state["count"] + len(keys),
        }

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        reads = queries @ state["weights"]
        return reads if times is None else reads + times[:, None]


class LoopedGain(Gain):
    vectorized = False


def single(memory: Gain, lane: int, data: dict[str, Tensor | None]) -> tuple[State, Tensor]:
    own = {name: None if x is None else x[lane] for name, x in data.items()}
    state = memory.write(
        memory.init_state(), own["keys"], own["values"], own["times"], own["contexts"]
    )
    return state, memory.read(state, own["queries"], own["times"])


def data(*, cues: bool = False, lanes: int = S) -> dict[str, Tensor | None]:
    return {
        "keys": normal(1, lanes, N, D),
        "values": normal(2, lanes, N, V),
        "queries": normal(3, lanes, N, D),
        "times": normal(4, lanes, N) if cues else None,
        "contexts": normal(5, lanes, N, D) if cues else None,
    }


@torch.no_grad()
@pytest.mark.parametrize("cls", [Gain, LoopedGain])
@pytest.mark.parametrize("cues", [False, True])
@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_a_stack_gives_the_numbers_of_single_calls(cls, cues, chunk):
    """With own weights, buffers and scalars in every lane, in chunks or at once, looped or not."""
    memories = [cls(seed, rate=0.1 * (seed + 1)) for seed in range(S)]
    stack = Lanes(memories, chunk=chunk)
    given = data(cues=cues)
    state = stack.write(
        stack.init_state(), given["keys"], given["values"], given["times"], given["contexts"]
    )
    reads = stack.read(state, given["queries"], given["times"], value_dim=V)
    for lane, memory in enumerate(memories):
        expected_state, expected = single(memory, lane, given)
        torch.testing.assert_close(state["weights"][lane], expected_state["weights"], **FLOAT32)
        torch.testing.assert_close(reads[lane], expected, rtol=1e-5, atol=1e-5)
    assert state["count"].tolist() == [N] * S


@torch.no_grad()
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("cls", [Delta, LinearAssociator])
def test_a_stacked_scan_is_each_lanes_scan(cls, inclusive):
    memories = [cls(D, V, generator=generator(s)) for s in range(S)]
    stack = Lanes(memories)
    given = data()
    reads, state = stack.scan(
        stack.init_state(), given["keys"], given["values"], given["queries"], inclusive=inclusive
    )
    for lane, memory in enumerate(memories):
        own = (given[name][lane] for name in ("keys", "values", "queries"))
        expected, after = memory.scan(memory.init_state(), *own, inclusive=inclusive)
        torch.testing.assert_close(reads[lane], expected, **FLOAT32)
        torch.testing.assert_close(state["fast_weights"][lane], after["fast_weights"], **FLOAT32)


@torch.no_grad()
def test_stacked_forecasters_are_single_ones_each_at_its_own_rate():
    """Gradients inside vmap, under no_grad outside."""
    lookback, horizon, channels = 6, 2, 3

    def forecaster(seed: int) -> OGD:
        backbone = DLinear(channels, lookback, horizon, kernel=3, generator=generator(seed))
        return OGD(backbone, learning_rate=10.0**-seed)

    memories = [forecaster(seed) for seed in range(S)]
    stack = Lanes(memories)
    state = stack.init_state()
    alone = [memory.init_state() for memory in memories]
    for step in range(5):
        row = normal(step, S, channels)
        recent = normal(step + 10, S, lookback, channels), normal(step + 20, S, horizon, channels)
        window = normal(step + 30, S, lookback, channels)
        state = stack.observe(state, row, recent)
        forecast, state = stack.predict(state, window, horizon=horizon)
        for lane, memory in enumerate(memories):
            pair = recent[0][lane], recent[1][lane]
            alone[lane] = memory.observe(alone[lane], row[lane], pair)
            expected, alone[lane] = memory.predict(alone[lane], window[lane])
            torch.testing.assert_close(forecast[lane], expected, **FLOAT32)
    assert not any(entry.requires_grad for entry in state.values())


@torch.no_grad()
def test_selected_and_repeated_lanes_carry_their_weights_and_state():
    stack = Lanes([Gain(seed, rate=seed) for seed in range(S)])
    given = data()
    state = stack.write(stack.init_state(), given["keys"], given["values"])
    picked = [3, 0, 3]
    chosen, its_state = stack.select(picked), Lanes.select_state(state, picked)
    reads = chosen.read(its_state, given["queries"][picked])
    expected = stack.read(state, given["queries"])[picked]
    torch.testing.assert_close(reads, expected, **FLOAT32)
    twice = stack.repeat(2)
    assert twice.size == 2 * S
    doubled = {
        name: entry.repeat_interleave(2, 0) for name, entry in given.items() if entry is not None
    }
    state_twice = twice.write(twice.init_state(), doubled["keys"], doubled["values"])
    torch.testing.assert_close(state_twice["weights"][1::2], state["weights"], **FLOAT32)
    torch.testing.assert_close(state_twice["weights"][::2], state["weights"], **FLOAT32)


def test_the_state_of_a_fresh_stack_can_be_changed_lane_by_lane():
    """vmap hands out constants as expanded views: writing into one lane must not reach another."""
    state = Lanes([Gain(s) for s in range(S)]).init_state()
    state["weights"][0] += 1
    assert state["weights"][1:].abs().sum() == 0


@torch.no_grad()
def test_the_memory_of_each_lane_can_be_had():
    memories = [Gain(seed) for seed in range(S)]
    stack = Lanes(memories)
    assert list(map(id, stack.memories)) == list(map(id, memories))
    assert [id(m) for m in stack.select([2, 0]).memories] == [id(memories[2]), id(memories[0])]


def test_a_memory_without_parameters_is_stacked_by_its_lane_numbers():
    stack = Lanes([MeanValue(D, V) for _ in range(S)])
    given = data()
    state = stack.write(stack.init_state(), given["keys"], given["values"])
    reads = stack.read(state, given["queries"], value_dim=V)
    expected = given["values"].mean(1, keepdim=True).expand(-1, N, -1)
    torch.testing.assert_close(reads, expected, **FLOAT32)


@torch.no_grad()
def test_many_lanes_are_done_in_chunks_that_fit(monkeypatch):
    """30 weights and a counter are 128 bytes a lane: 300 bytes hold two lanes."""
    monkeypatch.setattr(lanes_module, "CHUNK_BYTES", 300)
    memories = [Gain(seed) for seed in range(5)]
    stack = Lanes(memories)
    given = data(lanes=5)
    state = stack.write(stack.init_state(), given["keys"], given["values"])
    assert stack._chunk == 2
    for lane, memory in enumerate(memories):
        expected, _ = single(memory, lane, given)
        torch.testing.assert_close(state["weights"][lane], expected["weights"], **FLOAT32)


def test_sizes_are_those_of_one_lane():
    stack = Lanes([Gain(seed) for seed in range(S)])
    assert stack.state_floats(stack.init_state()) == D * V
    assert stack.param_floats() == D * D + D
    assert stack.size == S
    assert isinstance(stack.memory, Gain)


class WithTensor(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.table = torch.zeros(3)


class WithTensors(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.tables = {"first": [torch.zeros(3)]}


class WithInner(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.inner = nn.Module()
        self.inner.size = seed


class WithOptional(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.register_parameter("extra", nn.Parameter(torch.zeros(2)) if seed == 0 else None)


class WithScratch(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.register_buffer("scratch", torch.zeros(2 + seed), persistent=False)


class WithDtype(Gain):
    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        dtype = torch.float32 if seed == 0 else torch.float64
        self.register_buffer("precise", torch.zeros(2, dtype=dtype))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (list, "a stack needs at least one memory"),
        (
            lambda: [Gain(width=5), Gain(width=6)],
            r"attribute 'width' differs between lanes \(5 and 6\): "
            r"declare it with self.scalar\('width', value\)",
        ),
        (lambda: [Gain(), LoopedGain()], "lane 1 is a LoopedGain, lane 0 a Gain"),
        (lambda: [WithTensor()], "attribute 'table' is a plain tensor: register it"),
        (lambda: [WithTensors()], "attribute 'tables' is a plain tensor: register it"),
        (lambda: [WithInner(0), WithInner(1)], "attribute 'inner.size' differs"),
        (
            lambda: [WithOptional(0), WithOptional(1)],
            r"'extra' is missing in lane 1, \[2\] torch.float32 in lane 0",
        ),
        (lambda: [WithOptional(1), WithOptional(0)], "missing in lane 0"),
        (lambda: [WithScratch(0), WithScratch(1)], r"'scratch' is \[3\] torch.float32 in lane 1"),
        (lambda: [WithDtype(0), WithDtype(1)], r"'precise' is \[2\] torch.float64 in lane 1"),
        (
            lambda: [
                Delta(4, 4, generator=generator(0)),
                Delta(4, 4, chunk=2, generator=generator(0)),
            ],
            "attribute 'chunk' differs",
        ),
    ],
)
def test_memories_that_differ_in_more_than_numbers_are_refused(build, message):
    with pytest.raises(LaneMismatch, match=message):
        Lanes(build())


@torch.no_grad()
def test_scalars_may_differ_between_lanes():
    stack = Lanes([Gain(0, rate=rate) for rate in (0.0, 1.0, 2.0)])
    given = data(lanes=1)
    keys, values = (given[name].expand(3, -1, -1) for name in ("keys", "values"))
    weights = stack.write(stack.init_state(), keys, values)["weights"]
    assert weights[0].abs().max() == 0
    torch.testing.assert_close(weights[2], 2 * weights[1], **FLOAT32)


def test_a_read_of_the_wrong_width_is_refused():
    stack = Lanes([Gain()])
    with pytest.raises(LaneMismatch, match=r"read returned shape \[9, 5\], expected \[9, 7\]"):
        stack.read(stack.init_state(), normal(0, 1, N, D), value_dim=7)


def test_a_forecast_of_the_wrong_length_is_refused():
    stack = Lanes([OGD(DLinear(2, 6, 3, kernel=3, generator=generator(0)))])
    with pytest.raises(LaneMismatch, match=r"predict returned shape \[3, 2\], expected \[4, 2\]"):
        stack.predict(stack.init_state(), normal(0, 1, 6, 2), horizon=4)


def changing(change: Callable[[State], State]) -> Gain:
    class Changing(Gain):
        @override
        def write(self, state: State, *args: Any, **named: Any) -> State:
            return change(super().write(state, *args, **named))

    return Changing()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "extra": s["count"]}, "write changed the state's entries: extra"),
        (lambda s: {"count": s["count"]}, "write changed the state's entries: weights"),
        (
            lambda s: {**s, "weights": s["weights"][:3]},
            r"write changed state entry 'weights' from \[6, 5\] torch.float32 to \[3, 5\]",
        ),
        (
            lambda s: {**s, "weights": s["weights"].double()},
            r"'weights' from \[6, 5\] torch.float32 to \[6, 5\] torch.float64",
        ),
    ],
)
@torch.no_grad()
def test_a_state_that_changes_its_layout_is_refused(change, message):
    stack = Lanes([changing(change)])
    state = stack.init_state()
    with pytest.raises(LaneMismatch, match=message):
        stack.write(state, normal(0, 1, N, D), normal(1, 1, N, V))
