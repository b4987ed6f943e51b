"""Windows in order of time: what each reads, what is stored, and which snapshots hold what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memories.adam import unflatten
from memories.base import State, TokenMemory
from memories.token_training.chronicle import Passed, Snapshots, always, chronicle
from memories.token_training.lanes import TokenLanes
from tests.memories.token_training.small_models import (
    CHANNELS,
    LOOKBACK,
    Mean,
    Memory,
    former,
    generator,
    lanes,
    spectral,
)

ROWS = torch.randn(200, CHANNELS, generator=generator(0)).cumsum(0) / 3


class Newest(TokenMemory):
    """Keeps the newest hidden state it absorbed, and how many; a window's is its first value."""

    train_memory = "trajectory"

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.scalar("zero", 0.0)

    def init_state(self) -> State:
        return {"newest": self.zero - 1, "sum": self.zero.double(), "count": self.zero.long()}

    def tokens(self, state: State) -> Tensor:
        return state["newest"].expand(1, 1)

    def absorb(self, state: State, hidden: Tensor) -> State:
        newest = hidden[0, 0, 0]
        return {
            "newest": newest,
            "sum": state["sum"] + newest,
            "count": state["count"] + 1,
        }


class Echo(TokenLanes):
    """Lanes whose forecast is the token, and whose hidden state is the window's newest row."""

    def forecast(self, windows: Tensor, snapshot: State) -> tuple[Tensor, Tensor]:
        numbers = windows[..., -1, 0]
        numbers = numbers.expand(len(self.numbers), -1) if numbers.dim() == 1 else numbers
        read = snapshot["newest"][:, None].expand_as(numbers)
        return read[..., None, None], numbers[..., None, None, None]


def echo(seeds: int = 1) -> Echo:
    made = lanes(list(range(seeds)), Newest, former)
    made.__class__ = Echo
    return made


def numbered(origins: Sequence[int]) -> Tensor:
    """Windows [B, L, C] whose values are the numbers of their rows."""
    back = torch.arange(1 - LOOKBACK, 1)
    rows = torch.as_tensor(list(origins))[:, None] + back
    return rows[..., None].float()


def windows_of(rows: Tensor) -> Callable[[Sequence[int]], Tensor]:
    def windows(origins: Sequence[int]) -> Tensor:
        return torch.stack([rows[o - LOOKBACK + 1 : o + 1] for o in origins])

    return windows


def passes(
    origins: range, chunk: int, written: Callable[[int], bool] = always
) -> tuple[Echo, list[Passed]]:
    made = echo()
    state = made.init_state()
    kept = list(chronicle(made, numbered, origins, state, chunk=chunk, written=written))
    return made, kept


@settings(max_examples=8)
@given(
    first=st.integers(8, 20),
    count=st.integers(1, 40),
    chunk=st.integers(1, 45),
    stride=st.integers(1, 5),
)
def test_a_window_reads_what_was_stored_before_its_chunk_and_nothing_else(
    first: int, count: int, chunk: int, stride: int
) -> None:
    """With chunk 1, the newest earlier row that is stored; with chunk S at most S-1 rows older."""
    origins = range(first, first + count)

    def written(origin: int) -> bool:
        return origin % stride == 0

    _, kept = passes(origins, chunk, written)
    read = {o: float(f) for p in kept for o, f in zip(p.origins, p.forecasts[0], strict=True)}
    assert list(read) == list(origins)
    for place, origin in enumerate(origins):
        start = first + place // chunk * chunk
        stored = [o for o in range(first, start) if written(o)]
        assert read[origin] == (stored[-1] if stored else -1)
        assert read[origin] < origin
        assert origin - start <= chunk - 1


@settings(max_examples=8)
@given(count=st.integers(1, 40), chunk=st.integers(1, 45), stride=st.integers(1, 5))
def test_every_window_that_is_to_be_stored_is_stored_once_and_in_order(
    count: int, chunk: int, stride: int
) -> None:
    origins = range(10, 10 + count)
    _, kept = passes(origins, chunk, lambda o: o % stride == 0)
    stored = [o for o in origins if o % stride == 0]
    after = kept[-1].after
    assert int(after["count"]) == len(stored)
    assert float(after["sum"]) == sum(stored)
    assert float(after["newest"]) == (stored[-1] if stored else -1)


def test_chunks_are_linked_by_their_states() -> None:
    made, kept = passes(range(10, 31), 8)
    assert [list(p.origins) for p in kept] == [
        list(range(10, 18)),
        list(range(18, 26)),
        list(range(26, 31)),
    ]
    initial = made.init_state()
    assert all(torch.equal(kept[0].before[n], initial[n]) for n in initial)
    for one, two in pairwise(kept):
        assert all(torch.equal(one.after[n], two.before[n]) for n in initial)
    assert [float(p.snapshot["newest"]) for p in kept] == [-1, 17, 25]


def test_no_window_is_stored_where_none_is_to_be() -> None:
    made, kept = passes(range(10, 20), 4, lambda _: False)
    initial = made.init_state()
    assert all(torch.equal(kept[-1].after[n], initial[n]) for n in initial)


def test_without_windows_nothing_is_passed() -> None:
    _, kept = passes(range(0), 4)
    assert kept == []


@pytest.mark.parametrize("memory", [Mean, spectral()], ids=["mean", "spectral"])
def test_forecasts_and_states_are_those_of_windows_passed_by_hand(memory: Memory) -> None:
    """Two lanes, chunks of 3, every second window stored; float32: 1e-5."""
    made = lanes([1, 2], memory, former)
    windows = windows_of(ROWS)
    state = made.init_state()
    kept = list(
        chronicle(made, windows, range(10, 40), state, chunk=3, written=lambda o: o % 2 == 0)
    )
    for lane in (0, 1):
        model, held = made_model(made, lane), {n: e[lane] for n, e in state.items()}
        for start in range(10, 40, 3):
            now = range(start, start + 3)
            passed = kept[(start - 10) // 3]
            read = model.memory.snapshot(held)
            with torch.no_grad():
                forecasts, hidden = model.forecast(windows(now), read)
                for place, origin in enumerate(now):
                    if origin % 2 == 0:
                        held = model.memory.absorb(held, hidden[place])
            torch.testing.assert_close(passed.forecasts[lane], forecasts, rtol=1e-5, atol=1e-5)
    final = {n: e[1] for n, e in kept[-1].after.items()}
    assert int(final["count"]) == 15
    tokens = [model.memory.tokens(s) for s in (final, held)]
    torch.testing.assert_close(tokens[0], tokens[1], rtol=1e-4, atol=1e-4)
    assert float(tokens[0].detach().abs().max()) > 0.01


def made_model(made: TokenLanes, lane: int) -> Any:
    """The model of a lane, with its weights and buffers."""
    calls = deepcopy(made.calls)
    named = unflatten(made.calls, made.weights[lane])
    buffers = {name: buffer[lane] for name, buffer in made.buffers.items()}
    calls.load_state_dict(named | buffers, strict=False)
    return calls.model


@settings(max_examples=8)
@given(count=st.integers(1, 40), every=st.integers(1, 12))
def test_a_window_is_given_the_newest_snapshot_that_holds_neither_it_nor_a_later_one(
    count: int, every: int
) -> None:
    made = echo(2)
    origins = range(10, 10 + 2 * count, 2)
    taken = Snapshots.taken(made, numbered, origins, every)
    places = torch.arange(count)
    picked = taken.before(places.expand(2, -1))
    assert picked.shape == (2, count)
    snapshots = -(-count // every)
    assert taken.stacked["newest"].shape == (2, snapshots)
    for place, pick in enumerate(picked[1].tolist()):
        # the windows before `pick * every` are in it
        assert int(taken.stacked["count"][1, pick]) == pick * every <= place
        assert pick == snapshots - 1 or (pick + 1) * every > place
        assert float(taken.stacked["newest"][1, pick]) < origins[place]
    assert taken.after["count"].tolist() == [count, count]


def test_snapshots_hold_what_tokens_need_and_no_rows() -> None:
    made = lanes([1, 2], spectral(), former)
    taken = Snapshots.taken(made, windows_of(ROWS), range(10, 40), 8)
    assert "rows" in taken.after
    assert "rows" not in taken.stacked
    assert taken.stacked["components"].shape == (2, 4, 3, 8)
    assert taken.stacked["refreshed_at"].tolist() == [[0, 8, 16, 24]] * 2
    assert made.report(taken.after)["rows"].tolist() == [30, 30]


def test_a_pass_begins_with_an_empty_memory_and_the_present_weights() -> None:
    made = lanes([1, 2], spectral(), former)
    first = Snapshots.taken(made, windows_of(ROWS), range(10, 40), 8)
    again = Snapshots.taken(made, windows_of(ROWS), range(10, 40), 8)
    made.weights = made.weights + 0.1
    moved = Snapshots.taken(made, windows_of(ROWS), range(10, 40), 8)
    assert torch.equal(first.stacked["components"], again.stacked["components"])
    assert not torch.equal(first.stacked["components"], moved.stacked["components"])
    assert not first.stacked["components"][:, 0].any()


def test_selected_lanes_keep_their_snapshots() -> None:
    made = lanes([1, 2, 3], spectral(), former)
    taken = Snapshots.taken(made, windows_of(ROWS), range(10, 40), 8)
    left = taken.select(torch.tensor([0, 2]))
    assert left.every == taken.every
    for before, after in ((taken.stacked, left.stacked), (taken.after, left.after)):
        assert all(torch.equal(after[n], before[n][[0, 2]]) for n in before)
