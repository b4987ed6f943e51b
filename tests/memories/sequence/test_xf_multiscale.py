"""The transformer beside memories of pooled hidden states."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, State, state_floats
from tests.memories.case import build, events
from tests.memories.trained import lane_gradients, moved, reached

SMALL = {"window": 4, "layers": 1, "heads": 2, "head_dim": 4}


def multiscale(seed: int = 0, **params: object) -> object:
    return build("xf-multiscale", seed, **{**SMALL, **params})


def written(memory: object, keys: Tensor, values: Tensor) -> State:
    return memory.write(memory.init_state(), keys, values)


@torch.no_grad()
def test_250_events_are_250_25_and_2_writes() -> None:
    """Slots filled at scales 1, 10 and 100, and 50 events waiting in the last sum."""
    memory = multiscale(capacity=300)
    state = written(memory, *events(1, 250))
    filled = memory.valid(state).reshape(3, 300).sum(1)
    assert filled.tolist() == [250, 25, 2]
    assert state["values"].reshape(3, 300, 8).any(-1).sum(1).tolist() == [250, 25, 2]
    assert state["sums"].any(-1).tolist() == [False, False, True]


@torch.no_grad()
def test_a_constant_hidden_state_is_what_every_scale_stores() -> None:
    """A window of one token and one event over and over: each mean is that hidden state."""
    memory = multiscale(window=1, capacity=300)
    keys, values = (x.expand(250, -1) for x in events(2, 1))
    state = written(memory, keys, values)
    hidden = memory.encoded(memory.init_state(), memory.stream(memory.init_state(), keys, values))
    for i, n in enumerate((250, 25, 2)):
        span = slice(300 * i, 300 * i + n)
        key, value = memory.key_in[i](hidden[0]), memory.value_in[i](hidden[0])
        torch.testing.assert_close(
            state["keys"][span], (key / key.norm()).expand(n, -1), rtol=0, atol=1e-5
        )
        torch.testing.assert_close(state["values"][span], value.expand(n, -1), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(0, 37, 250), (0, 1, 2, 99, 100, 101, 250), (0, 250)])
def test_means_do_not_depend_on_how_events_are_split_over_calls(cuts: tuple[int, ...]) -> None:
    """Spans across calls, rings that wrap within one: slot by slot the mean of its span."""
    memory = multiscale(capacity=20).double()
    keys, values = events(3, 250, dtype=torch.float64)
    start = memory.init_state()
    state = start
    for first, last in pairwise(cuts):
        state = memory.write(state, keys[first:last], values[first:last])
    hidden = memory.encoded(start, memory.stream(start, keys, values))
    for i, scale in enumerate((1, 10, 100)):
        n_spans = 250 // scale
        means = hidden[: n_spans * scale].reshape(n_spans, scale, -1).mean(1)
        for number in range(max(0, n_spans - 20), n_spans):
            stored = state["values"][20 * i + number % 20]
            expected = memory.value_in[i](means[number])
            torch.testing.assert_close(stored, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            state["sums"][i], hidden[n_spans * scale :].sum(0), rtol=0, atol=1e-12
        )


@torch.no_grad()
def test_untrained_scales_share_a_read_alike() -> None:
    """pi = 1/3 each: with W_o the identity, y = (h + sigmoid(-2) mean of reads) H + b."""
    memory = multiscale().double()
    memory.recall_out.weight.copy_(torch.eye(8))
    keys, values = events(4, 230, dtype=torch.float64)
    state = written(memory, keys, values)
    hidden = memory.probed(state, keys[:5])
    reads = [
        memory.slots.read(memory._scale(state, i), memory.query_in[i](hidden)) for i in range(3)
    ]
    joined = hidden + torch.sigmoid(torch.tensor(-2.0)) * sum(reads) / 3
    torch.testing.assert_close(memory.read(state, keys[:5]), memory.head(joined), rtol=0, atol=1e-7)


def test_only_the_memories_reach_beyond_the_window() -> None:
    keys, values = events(5, 30)
    others = torch.cat([values[:20] + 1, values[20:]])
    for memory, is_silent in ((multiscale(), True), (moved(multiscale(), 0, 0.1), False)):
        with torch.no_grad():
            first, second = (memory.read(written(memory, keys, v), keys) for v in (values, others))
        assert torch.equal(first, second) is is_silent


def test_gradients_reach_every_slow_weight_of_every_lane() -> None:
    memories = [moved(multiscale(seed, scales=(1, 3, 5)), seed, 0.1) for seed in range(3)]
    keys, values = events(6, 12)

    def loss(memory: object) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        return (memory.read(state, keys) - values).square().mean()

    assert all(reached(gradient) for gradient in lane_gradients(memories, loss).values())


def test_untrained_it_recalls_nothing_on_average() -> None:
    """Mean cosine over 60 initialisations, as for the episodic transformer."""
    cosines = []
    for seed in range(60):
        keys, values = events(seed, 10, value_dim=16)
        memory = multiscale(seed, value_dim=16)
        with torch.no_grad():
            recalled = memory.read(written(memory, keys, values), keys)
        cosines.append(float(torch.cosine_similarity(recalled, values, dim=-1).mean()))
    assert abs(sum(cosines) / 60) < 3 / (60 * 16) ** 0.5


@pytest.mark.parametrize("budget", [1600, 5000, 25792])
def test_the_most_slots_within_a_budget(budget: int) -> None:
    """d = 64: (16 + 3) d words for window and sums, 2 x 3 d for a slot of each scale."""
    cls = type(build("xf-multiscale"))
    capacity = cls.from_budget(budget, 6, 5)["capacity"]
    assert capacity == (budget - 19 * 64) // (6 * 64)
    words = [
        state_floats(build("xf-multiscale", capacity=m).init_state())
        for m in (capacity, capacity + 1)
    ]
    assert words[0] <= budget < words[1]


def test_a_budget_below_one_slot_a_scale_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="must be >= 1600, a window and one slot") as caught:
        type(build("xf-multiscale")).from_budget(1599, 6, 5)
    assert caught.value.parameter == "budget"
