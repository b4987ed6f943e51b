"""What a memory costs per event or pass, measured alike for every memory: one lane, medians.

Times are those of this machine; their repeats are kept, so that a check can compare two runs of
one machine. Floats written are counted: the median over single-event writes of the state elements
whose bits changed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from bench import seeds
from bench.lanes import Lanes
from bench.running import construct, timing
from bench.running.timing import Timing
from memories.base import AssociativeMemory, OnlineForecaster, Router, State, TokenMemory

ONLINE_REPEATS = 30
"""Rows and forecasts timed: one takes so little that single times scatter."""
WARM_UP = 30
"""Rows a forecaster sees before it is timed, H + 1 at least: from then on it has errors to use."""
PASSES = 128
"""Passes that a token memory absorbs before it is timed: rows enough for tokens."""
SIZES = (1, 256)
"""Events per write and queries per read."""
SINGLE_WRITES = 16


class Measurable(Protocol):
    """A memory on a task point: names and resolved parameters of both."""

    @property
    def memory(self) -> str:
        """Registry name of the memory."""

    @property
    def memory_params(self) -> Mapping[str, Any]:
        """Its parameters."""

    @property
    def task(self) -> str:
        """Registry name of the task."""

    @property
    def task_params(self) -> Mapping[str, Any]:
        """Its parameters."""


def measure(cell: Measurable, device: str) -> list[dict[str, Any]]:
    """The cell's costs as metrics of kind ``perf``: microseconds and 32-bit words."""
    task = construct.build_task(cell.task, cell.task_params)
    dictated = _with_room(task.dictates())
    memory = construct.build_memory(
        cell.memory, cell.memory_params, dictated, seeds.torch_generator(0, seeds.INIT)
    )
    # as in a run: a stream's calls are recorded and replayed
    lanes = Lanes([memory], device=device, traced=isinstance(memory, OnlineForecaster))
    generator = seeds.torch_generator(0, seeds.META, "costs")
    if isinstance(memory, AssociativeMemory):
        found = _associative(lanes, dictated, generator)
    elif isinstance(memory, OnlineForecaster):
        found = _forecaster(lanes, dictated, generator)
    elif isinstance(memory, TokenMemory):
        found = _tokens(lanes, dictated, generator)
    elif isinstance(memory, Router):
        found = _router(lanes, dictated, generator)
    else:
        found = iter(())
    return [_metric(*cost) for cost in found]


Cost = tuple[str, float | Timing, str, int | None]
"""Name, value or timing of one call, unit, and how many events the call held."""


def _metric(name: str, measured: float | Timing, unit: str, x: int | None) -> dict[str, Any]:
    """The cost as a metric of kind ``perf``; a timed one carries its repeats."""
    each = x or 1
    timed: dict[str, Any] = {}
    if isinstance(measured, Timing):
        value = measured.median / each
        timed = {
            "repeats": [float(f"{t / each:.6g}") for t in measured.raw],
            "calibrated": [float(f"{t / each:.6g}") for t in measured.calibrated],
        }
    else:
        value = measured
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "direction": "lower",
        "kind": "perf",
        "bounds": [0.0, None],
        "resolution": 0.0,
        "primary": False,
        "chance": None,
        "ceiling": None,
        **({} if x is None else {"x": float(x)}),
        **timed,
    }


def _with_room(dictated: Mapping[str, Any]) -> dict[str, Any]:
    """What the task dictates, with steps enough to measure where its own stream is very short."""
    if "steps" not in dictated:
        return dict(dictated)
    needed = _warm_up(dictated) + SINGLE_WRITES + 1
    return {**dictated, "steps": max(dictated["steps"], needed)}


def _warm_up(dictated: Mapping[str, Any]) -> int:
    return max(WARM_UP, int(dictated["horizon"]) + 1)


def _associative(
    lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator
) -> Iterator[Cost]:
    def events(n: int) -> tuple[Tensor, Tensor, None, Tensor | None]:
        keys = torch.randn(1, n, dictated["key_dim"], generator=generator)
        values = torch.randn(1, n, dictated["value_dim"], generator=generator)
        width = dictated.get("context_dim", 0)
        contexts = torch.randn(1, n, width, generator=generator) if width else None
        keys, values = (t.to(lanes.device) for t in (keys, values))
        return keys, values, None, None if contexts is None else contexts.to(lanes.device)

    empty = lanes.init_state()
    full = lanes.write(empty, *events(max(SIZES)))
    calls: dict[str, Callable[[], Any]] = {}
    for n in SIZES:
        batch = events(n)
        queries, _, times, contexts = batch
        calls[f"write_us {n}"] = partial(lanes.write, full, *batch)
        calls[f"read_us {n}"] = partial(lanes.read, full, queries, times, contexts)
    taken = timing.rounds(calls, lanes.device)
    for n in SIZES:
        yield "write_us", taken[f"write_us {n}"], "us/event", n
        yield "read_us", taken[f"read_us {n}"], "us/query", n
    written, state = [], full
    for _ in range(SINGLE_WRITES):
        after = lanes.write(state, *events(1))
        written.append(changed_floats(state, after))
        state = after
    yield "floats_written", statistics.median(written), "floats/event", None


def _forecaster(
    lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator
) -> Iterator[Cost]:
    channels = dictated["channels"]

    def rows(n: int) -> Tensor:
        return torch.randn(1, n, channels, generator=generator).to(lanes.device)

    window, recent = (
        rows(dictated["lookback"]),
        (rows(dictated["lookback"]), rows(dictated["horizon"])),
    )
    state = lanes.init_state()
    for _ in range(_warm_up(dictated)):
        _, state = lanes.predict(lanes.observe(state, rows(1)[:, 0], recent), window)
    row = rows(1)[:, 0]
    calls = {
        "observe_us": lambda: lanes.observe(state, row, recent),
        "predict_us": lambda: lanes.predict(state, window),
    }
    taken = timing.rounds(calls, lanes.device, repeats=ONLINE_REPEATS)
    yield "observe_us", taken["observe_us"], "us/row", None
    yield "predict_us", taken["predict_us"], "us/forecast", None
    written = []
    for _ in range(SINGLE_WRITES):
        after = lanes.observe(state, rows(1)[:, 0], recent)
        written.append(changed_floats(state, after))
        state = lanes.predict(after, window)[1]
    yield "floats_written", statistics.median(written), "floats/row", None


def _tokens(
    lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator
) -> Iterator[Cost]:
    """A pass is one window through an encoder with as many positions as the window has rows."""
    shape = (1, dictated["lookback"], dictated["channels"], dictated["token_dim"])

    def hidden() -> Tensor:
        return torch.randn(shape, generator=generator).to(lanes.device)

    def absorb(before: State, given: Tensor) -> State:
        after: State = lanes.call("absorb", before, given)
        return after

    state = lanes.init_state()
    for _ in range(PASSES):
        state = absorb(state, hidden())
    given = hidden()
    calls = {
        "tokens_us": lambda: lanes.call("tokens", state),
        "absorb_us": lambda: absorb(state, given),
    }
    taken = timing.rounds(calls, lanes.device, repeats=ONLINE_REPEATS)
    yield "tokens_us", taken["tokens_us"], "us/read", None
    yield "absorb_us", taken["absorb_us"], "us/pass", None
    written, before = [], state
    for _ in range(SINGLE_WRITES):
        after = absorb(before, hidden())
        written.append(changed_floats(before, after))
        before = after
    yield "floats_written", statistics.median(written), "floats/pass", None


def _router(
    lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator
) -> Iterator[Cost]:
    learned = 0

    def events(n: int) -> tuple[Tensor, Tensor, Tensor]:
        nonlocal learned
        codes = torch.randn(1, n, dictated["key_dim"], generator=generator)
        labels = torch.randint(len(dictated["label_groups"]), (1, n), generator=generator)
        ids = torch.arange(learned, learned + n)[None]  # one that is known may be dropped
        learned += n
        unit = torch.nn.functional.normalize(codes, dim=-1)
        return unit.to(lanes.device), labels.to(lanes.device), ids.to(lanes.device)

    full = lanes.call("learn", lanes.init_state(), *events(max(SIZES)))
    calls: dict[str, Callable[[], Any]] = {}
    for n in SIZES:
        batch = events(n)
        calls[f"learn_us {n}"] = partial(lanes.call, "learn", full, *batch)
        calls[f"route_us {n}"] = partial(lanes.call, "route", full, batch[0], None)
    taken = timing.rounds(calls, lanes.device)
    for n in SIZES:
        yield "learn_us", taken[f"learn_us {n}"], "us/event", n
        yield "route_us", taken[f"route_us {n}"], "us/query", n
    written, state = [], full
    for _ in range(SINGLE_WRITES):
        after = lanes.call("learn", state, *events(1))
        written.append(changed_floats(state, after))
        state = after
    yield "floats_written", statistics.median(written), "floats/event", None


def changed_floats(before: State, after: State) -> float:
    """32-bit words of the state elements whose bits differ, over its non-scalar entries."""
    total = 0.0
    for name, old in before.items():
        if old.dim() > 1:  # the lane axis alone makes a scalar 1-d
            # two NaN of the same bits are no change, so compare bytes, not values
            bits = old.contiguous().view(torch.uint8) != after[name].contiguous().view(torch.uint8)
            changed = bits.reshape(-1, old.element_size()).any(-1).sum()
            total += float(changed) * old.element_size() / 4
    return total
