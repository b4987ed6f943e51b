"""The correlation matrix memory: the sum of outer products."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, InvalidParameter, State
from memories.features import KeyNorm, Phi, feature_map, normalise_keys, widest_features
from memories.matrix import recurrence
from memories.matrix.normaliser import joined, split, with_ones

NORMALISER_FLOOR = 1e-6


@memory("linear-assoc", family="matrix", source="Kohonen 1972; Anderson 1972")
class LinearAssociator(AssociativeMemory):
    """Recalls the sum of all values, each weighted by its key's match with the query.

    S <- decay S + write_strength phi(k)^T v; a read is phi(q) S. Also known as linear attention
    and, with decay below one, as fast weights (Ba et al. 2016). Values written to one key add up.

    State: ``fast_weights`` [m, V], ``count``, and ``normaliser`` [m] if normalised.

    Args:
        key_dim: D.
        value_dim: V.
        key_norm: Preprocessing of keys and queries.
        phi: Feature map.
        features: Its width m, where it is free.
        length_scale: Width of the kernel of rff.
        nu: Number of shifts of dpfp.
        decay: What remains of the old at each event.
        write_strength: Factor on what is added.
        normalise: Divide by the sum of the matches, so that a read is a weighted mean; for
            non-negative feature maps.
        generator: Source of a random feature map.

    Raises:
        InvalidParameter: If the feature map cannot have that width, or matches can be negative
            and `normalise` is set.
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
        key_norm: KeyNorm = "unit",
        phi: Phi = "identity",
        features: Annotated[int, Ge(1)] | None = None,
        length_scale: Annotated[float, Gt(0)] = 0.5,
        nu: Annotated[int, Ge(1)] = 1,
        decay: Annotated[float, Gt(0), Le(1)] = 1.0,
        write_strength: Annotated[float, Gt(0)] = 1.0,
        normalise: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.key_norm: KeyNorm = key_norm
        self.feature_map = feature_map(
            phi, key_dim, generator, features=features, length_scale=length_scale, nu=nu
        )
        if normalise and not self.feature_map.nonnegative:
            raise InvalidParameter(
                "normalise",
                f"needs matches that are never negative, which phi '{phi}' does not give",
                help="use phi relu, dpfp or taylor2, or leave normalise out",
            )
        self.normalise = normalise
        self.scalar("decay", decay)
        self.scalar("write_strength", write_strength)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        words_per_feature = value_dim + (1 if params.get("normalise") else 0)
        return widest_features(budget // words_per_feature, key_dim, params.get("phi"))

    @override
    def init_state(self) -> State:
        width = self.feature_map.width
        state = {
            "fast_weights": self.decay.new_zeros(width, self.value_dim),
            "count": self.decay.new_zeros((), dtype=torch.int64),
        }
        return {**state, "normaliser": self.decay.new_zeros(width)} if self.normalise else state

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        updates = self.write_strength * with_ones(state, values)
        weights = recurrence.accumulate(joined(state), self._phi(keys), updates, self.decay)
        return split(state, weights, keys.shape[0])

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self._normalised(self._phi(queries) @ joined(state))

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
        strength = self.gate_of(gates, "write", self.write_strength)
        reads, weights = recurrence.scan(
            joined(state),
            self._phi(keys),
            strength[..., None] * with_ones(state, values),
            self._phi(queries),
            lambda _weights, _keys, updates: updates,
            self.gate_of(gates, "keep", self.decay),
            inclusive=inclusive,
        )
        return self._normalised(reads), split(state, weights, keys.shape[0])

    def _phi(self, x: Tensor) -> Tensor:
        features: Tensor = self.feature_map(normalise_keys(x, self.key_norm))
        return features

    def _normalised(self, reads: Tensor) -> Tensor:
        if not self.normalise:
            return reads
        return reads[:, : self.value_dim] / reads[:, self.value_dim :].clamp(min=NORMALISER_FLOOR)
