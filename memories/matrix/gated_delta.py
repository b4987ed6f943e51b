"""The gated delta rule: forget a share of everything, then correct the error that is left."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, State
from memories.features import Phi, feature_map, unit, widest_features
from memories.matrix import recurrence


@memory("gated-delta", family="matrix", source="Yang, Kautz & Hatamizadeh 2024")
class GatedDelta(AssociativeMemory):
    """Recalls values through a matrix that decays, then is corrected by its own error.

    W <- decay W, then W <- W + write_strength k^T (v - k W); a read is q W. The error is taken
    against the decayed matrix, so that with strength one the newest event is recalled exactly,
    whatever the decay. With decay one it is the delta rule. Keys, and features where a feature
    map does not keep their length, are brought to unit length.

    State: ``fast_weights`` [m, V], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        phi: Feature map.
        features: Its width m, where it is free.
        length_scale: Width of the kernel of rff.
        nu: Number of shifts of dpfp.
        decay: What remains of the old at each event.
        write_strength: Share of the error that one event corrects.
        chunk: Events solved for at once. Changes speed, not results.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If the feature map cannot have that width.
    """

    takes_gates = frozenset({"write", "keep"})
    chunked_scan = True
    decay: Tensor
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
        decay: Annotated[float, Gt(0), Le(1)] = 0.99,
        write_strength: Annotated[float, Gt(0), Lt(2)] = 1.0,
        chunk: Annotated[int, Ge(1)] = recurrence.CHUNK,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.feature_map = feature_map(
            phi, key_dim, generator, features=features, length_scale=length_scale, nu=nu
        )
        self.chunk = chunk
        self.scalar("decay", decay)
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
            "fast_weights": self.decay.new_zeros(self.feature_map.width, self.value_dim),
            "count": self.decay.new_zeros((), dtype=torch.int64),
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
        rule = partial(
            recurrence.delta_updates,
            strength=self.write_strength,
            decay=self.decay,
            decay_first=True,
        )
        weights = recurrence.write(
            state["fast_weights"], self._phi(keys), values, rule, self.decay, chunk=self.chunk
        )
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
        decay = self.gate_of(gates, "keep", self.decay)
        reads, weights = recurrence.scan(
            state["fast_weights"],
            self._phi(keys),
            values,
            self._phi(queries),
            partial(recurrence.delta_updates, decay_first=True),
            decay,
            rule_gates={
                "strength": self.gate_of(gates, "write", self.write_strength),
                "decay": decay,
            },
            inclusive=inclusive,
            chunk=self.chunk,
        )
        return reads, {"fast_weights": weights, "count": state["count"] + keys.shape[0]}

    def _phi(self, x: Tensor) -> Tensor:
        features: Tensor = self.feature_map(unit(x))
        return features if self.feature_map.unit_length else unit(features)
