"""Memories that keep what a task gives them, call by call, and answer in simple ways."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from memories.base import AssociativeMemory, OnlineForecaster, State


class Recorder(AssociativeMemory):
    """Notes every write and read of every lane, and recalls its lane's first stored value.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write.
    """

    vectorized = False
    calls: ClassVar[list[tuple[str, int, Tensor, Tensor | None]]] = []
    """Method, events in the state, keys or queries, values or None; one entry per lane."""

    def __init__(self, key_dim: int, value_dim: int, max_events: int) -> None:
        super().__init__()
        self.value_dim, self.max_events = value_dim, max_events

    def init_state(self) -> State:
        return {"count": torch.zeros((), dtype=torch.int64), "seen": torch.zeros(self.value_dim)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        self.calls.append(("write", int(state["count"]), keys, values))
        first = torch.where(state["count"] == 0, values[0], state["seen"])
        return {"count": state["count"] + len(keys), "seen": first}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        self.calls.append(("read", int(state["count"]), queries, None))
        return state["seen"].expand(len(queries), -1)


class AnewRecorder(Recorder):
    """The same, for a memory whose writes do not compose."""

    composes = False


class Gone(AssociativeMemory):
    """Recalls zeros; from `limit` events on, in the lanes whose first draw is `unlucky`, NaN.

    Args:
        key_dim: D.
        value_dim: V.
        limit: Events from which on it fails.
        unlucky: The first integer below 2^40 that a failing lane's generator draws.
        generator: Initialises it.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        limit: int = 1,
        unlucky: int = 0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        drawn = int(torch.randint(2**40, (), generator=generator))
        self.register_buffer("fails", torch.tensor(drawn == unlucky))
        self.scalar("limit", limit)

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
        return {"count": state["count"] + len(keys)}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        broken = self.fails & (state["count"] >= self.limit)
        zeros = queries.new_zeros(len(queries), self.value_dim)
        return torch.where(broken, torch.nan, zeros)


class Listener(OnlineForecaster):
    """Notes what each lane is given at each call, and forecasts the newest row.

    Args:
        horizon: H.
        steps: Origins of both passes.
    """

    vectorized = False
    calls: ClassVar[list[tuple[str, tuple[Tensor, ...]]]] = []

    def __init__(self, horizon: int, steps: int) -> None:
        super().__init__()
        self.horizon, self.steps = horizon, steps

    def init_state(self) -> State:
        return {"observed": torch.zeros((), dtype=torch.int64)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        self.calls.append(("observe", (x_t, *recent)))
        return {"observed": state["observed"] + 1}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        self.calls.append(("predict", (state["observed"], window)))
        return window[-1:].expand(self.horizon, -1).clone(), state
