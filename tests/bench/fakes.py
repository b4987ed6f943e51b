"""Two memories and a task with every kind of parameter, for tests of what a suite may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from memories.base import AssociativeMemory, MemorySlot, OnlineForecaster, State
from tasks.base import Outcome, Task, Workbench

COUNT = Annotated[int, Ge(1)]


class Rag(AssociativeMemory):
    """Attends to the nearest events.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events it is built for.
        top_k: How many neighbours it reads:
            at least one.
        decay: Factor on older events.
        mode: Weighting.
        sizes: Widths of its stages.
        gain: Factor on what is read; learned if null.
        soft: Whether weights are normalised.
        generator: Initialises it.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        max_events: int = 64,
        top_k: COUNT = 8,
        decay: Annotated[float, Gt(0), Le(1)] = 1,
        mode: Literal["nearest", "softmax"] = "nearest",
        sizes: tuple[COUNT, ...] = (2, 4),
        gain: float | None = None,
        soft: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim, self.max_events = key_dim, value_dim, max_events
        self.top_k, self.decay, self.mode, self.sizes = top_k, decay, mode, sizes
        self.gain, self.soft, self.generator = gain, soft, generator

    def init_state(self) -> State:
        return {"count": torch.zeros((), dtype=torch.int64)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return state

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries.new_zeros(queries.shape[0], self.value_dim)


class Bank(OnlineForecaster):
    """Corrects a forecast by what a memory recalls.

    Args:
        memory: What remembers.
        second: Another one, if any.
        rate: Step size.
    """

    def __init__(
        self,
        channels: int,
        *,
        memory: MemorySlot,
        second: MemorySlot | None = None,
        rate: float = 0,
    ) -> None:
        super().__init__()
        self.channels, self.rate = channels, rate
        self.memory, self.second = memory, second

    def init_state(self) -> State:
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return window, state


class Probe(Task):
    """Asks for what was stored.

    Args:
        dim: Width of keys.
        loads: Numbers of items stored.
        horizon: Rows ahead; a memory does not set it, a task does.
        dataset: What to load.
        noisy: Whether queries are noisy.
    """

    def __init__(
        self,
        *,
        dim: COUNT = 16,
        loads: tuple[COUNT, ...] = (1, 2),
        horizon: int | None = None,
        dataset: str = "made-up",
        noisy: bool = False,
    ) -> None:
        self.given: dict[str, Any] = {
            "dim": dim,
            "loads": loads,
            "horizon": horizon,
            "dataset": dataset,
            "noisy": noisy,
        }

    def run(self, bench: Workbench) -> list[Outcome]:
        return [Outcome() for _ in bench.seeds]
