"""The delta rule: what is already recalled is subtracted before it is written."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, State
from memories.features import Phi, feature_map, unit, widest_features
from memories.matrix import recurrence


@memory("delta", family="matrix", source="Widrow & Hoff 1960; Schlag et al. 2021; Yang et al. 2024")
class Delta(AssociativeMemory):
    """Recalls values through a matrix that is corrected, at each event, by its own error.

    W <- W + write_strength k^T (v - k W); a read is q W. With strength one the newest event is
    recalled exactly and rewriting a key replaces its value. Keys, and features where a feature
    map does not keep their length, are brought to unit length: the rule diverges for
    write_strength |k|^2 above 2.

    State: ``fast_weights`` [m, V], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        phi: Feature map.
        features: Its width m, where it is free.
        length_scale: Width of the kernel of rff.
        nu: Number of shifts of dpfp.
        write_strength: Share of the error that one event corrects.
        passes: How often the events of one write call are gone through. More than one is cyclic
            Kaczmarz, which approaches the pseudo-inverse for independent keys; what is stored
            then depends on how events are split over calls (`composes` is False).
        chunk: Events solved for at once. Changes speed, not results.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If the feature map cannot have that width.
    """

    takes_gates = frozenset({"write"})
    chunked_scan = True
    write_strength: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        phi: Phi = "identity",
        features: Annotated[int, Ge(1)] | None = None,
        length_scale: Annotated[float, Gt(0)] = 0.5,
        nu: Annotated[int, Ge(1)] = 1,
        write_strength: Annotated[float, Gt(0), Lt(2)] = 1.0,
        passes: Annotated[int, Ge(1)] = 1,
        chunk: Annotated[int, Ge(1)] = recurrence.CHUNK,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.feature_map = feature_map(
            phi, key_dim, generator, features=features, length_scale=length_scale, nu=nu
        )
        self.passes = passes
        self.chunk = chunk
        # a fact about this instance: only the number of passes decides it
        self.composes = passes == 1
        self.scalar("write_strength", write_strength)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return widest_features(budget // value_dim, key_dim, params.get("phi"))

    @override
    def init_state(self) -> State:
        return {
            "fast_weights": self.write_strength.new_zeros(self.feature_map.width, self.value_dim),
            "count": self.write_strength.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        features = self._phi(keys)
        rule = partial(recurrence.delta_updates, strength=self.write_strength)
        weights = state["fast_weights"]
        for _ in range(self.passes):
            weights = recurrence.write(weights, features, values, rule, chunk=self.chunk)
        return {"fast_weights": weights, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self._phi(queries) @ state["fast_weights"]

    @override
    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        # p passes over one unit key leave (1 - strength)^p of its error: one stronger pass
        strength = 1 - (1 - self.gate_of(gates, "write", self.write_strength)) ** self.passes
        reads, weights = recurrence.scan(
            state["fast_weights"],
            self._phi(keys),
            values,
            self._phi(queries),
            recurrence.delta_updates,
            rule_gates={"strength": strength},
            inclusive=inclusive,
            chunk=self.chunk,
        )
        return reads, {"fast_weights": weights, "count": state["count"] + keys.shape[0]}

    def _phi(self, x: Tensor) -> Tensor:
        features: Tensor = self.feature_map(unit(x))
        return features if self.feature_map.unit_length else unit(features)
