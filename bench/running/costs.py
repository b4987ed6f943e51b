"""What a memory costs per event, measured the same way for every memory: one lane, medians.

Times are those of this machine and are reported, never tested. Floats written are counted: the
median over single-event writes of the state elements whose bits changed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench import seeds
from bench.lanes import Lanes
from bench.plan import Cell
from bench.running import construct
from memories.base import AssociativeMemory, OnlineForecaster, State

REPEATS = 5
ONLINE_REPEATS = 30
"""Rows and forecasts timed: one takes so little that single times scatter."""
WARM_UP = 30
"""Rows a forecaster sees before it is timed, H + 1 at least: from then on it has errors to use."""
SIZES = (1, 256)
"""Events per write and queries per read."""
SINGLE_WRITES = 16


def measure(cell: Cell, device: str) -> list[dict[str, Any]]:
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
    else:
        found = iter(())
    return [
        {
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
        }
        for name, value, unit, x in found
    ]


Cost = tuple[str, float, str, int | None]


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
    for n in SIZES:
        batch = events(n)
        queries, _, times, contexts = batch
        write = _median_us(partial(lanes.write, full, *batch), lanes)
        yield "write_us", write / n, "us/event", n
        read = _median_us(partial(lanes.read, full, queries, times, contexts), lanes)
        yield "read_us", read / n, "us/query", n
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
    observe = _median_us(lambda: lanes.observe(state, row, recent), lanes, ONLINE_REPEATS)
    yield "observe_us", observe, "us/row", None
    predict = _median_us(lambda: lanes.predict(state, window), lanes, ONLINE_REPEATS)
    yield "predict_us", predict, "us/forecast", None
    written = []
    for _ in range(SINGLE_WRITES):
        after = lanes.observe(state, rows(1)[:, 0], recent)
        written.append(changed_floats(state, after))
        state = lanes.predict(after, window)[1]
    yield "floats_written", statistics.median(written), "floats/row", None


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


def _median_us(call: Callable[[], Any], lanes: Lanes, repeats: int = REPEATS) -> float:
    """Median time of one call in microseconds, after one call to warm up."""
    taken = []
    for _ in range(repeats + 1):
        _synchronize(lanes.device)
        start = time.perf_counter()
        call()
        _synchronize(lanes.device)
        taken.append((time.perf_counter() - start) * 1e6)
    return statistics.median(taken[1:])


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
