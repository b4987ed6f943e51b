"""Second moments of keys and values: running sums, or sums over a window of events."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from memories.base import State
from memories.matrix.recurrence import accumulate
from memories.sizing import largest
from memories.slots.ring import ring_age, ring_valid, ring_write
from memories.spectral.key_value import SpectralKeyValue


class MomentMemory(SpectralKeyValue):
    """Keeps sums of products over all events, or the newest events themselves.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts, 0 for none.
        window: Events M that count, the newest; older ones are gone. None lets all count.
        generator: Source of a random feature map.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        window: Annotated[int, Ge(1)] | None = None,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(
            key_dim, value_dim, context_dim=context_dim, generator=generator, **options
        )
        self.window = window
        if window is not None:
            self.slot_state = ("keys", "values")

    @classmethod
    def window_within(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The `window` of the most events in at most `budget` state floats.

        Raises:
            InvalidParameter: If not even one event fits.
        """
        given = {"context_dim": 0, "generator": torch.Generator(), **params}
        sized = largest(lambda n: cls(key_dim, value_dim, **{**given, "window": n}), budget)
        return {"window": sized}

    @abstractmethod
    def products(self, features: Tensor, values: Tensor) -> Mapping[str, tuple[Tensor, Tensor]]:
        """What is summed, by name: sum_i left_i^T right_i over features [N, m], values [N, V]."""

    @override
    def init_state(self) -> State:
        like = self.decay
        count = like.new_zeros((), dtype=torch.int64)
        if self.window is not None:
            widths = {"keys": self.width, "values": self.value_dim}
            slots = {name: like.new_zeros(self.window, width) for name, width in widths.items()}
            return {**slots, "count": count}
        none = like.new_zeros(0, self.width, dtype=torch.float64)
        pairs = self.products(none, none.new_zeros(0, self.value_dim))
        return {**{name: left.mT @ right for name, (left, right) in pairs.items()}, "count": count}

    @override
    def valid(self, state: State) -> Tensor:
        if self.window is None:
            return super().valid(state)
        return ring_valid(state["count"], self.window)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        features = self.features(keys, contexts)
        count = state["count"] + keys.shape[0]
        if self.window is None:
            decay = self.decay.double()
            pairs = self.products(features, values.double())
            sums = {n: accumulate(state[n], *pair, decay) for n, pair in pairs.items()}
            return {**sums, "count": count}
        slots = {name: state[name] for name in self.slot_state}
        events = {"keys": features.to(slots["keys"].dtype), "values": values}
        return {**ring_write(slots, events, state["count"]), "count": count}

    def moments(self, state: State) -> Mapping[str, Tensor]:
        """The sums by name; those of a window are made anew."""
        if self.window is None:
            return state
        held = self.valid(state)[:, None]
        keys, values = (torch.where(held, state[n], 0.0).double() for n in self.slot_state)
        weights = self.decay.double() ** ring_age(state["count"], self.window)
        return {
            name: (weights[:, None] * left).mT @ right
            for name, (left, right) in self.products(keys, values).items()
        }
