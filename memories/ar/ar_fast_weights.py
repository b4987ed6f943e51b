"""Fast weights with keys, values and queries in one space, written by a Hebb or a delta rule."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torch.nn.functional import elu, softplus
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, Gates, InvalidParameter, State
from memories.features import unit
from memories.matrix import recurrence
from memories.matrix.normaliser import joined, split, with_ones
from memories.sizing import only_size

NORMALISER_FLOOR = 1e-6
DECAY_LOGIT = 6.0
"""Where a learned decay starts: 0.9975 of the old is kept at each event."""


@memory("ar-fast-weights", family="ar", source="Ba et al. 2016; Schlag et al. 2021")
class ArFastWeights(AssociativeMemory):
    """Recalls values through a matrix of key-value products, projected in and out.

    With k' = unit(k P_K), v' = v P_V and the same P_K for queries, an event writes
    F <- decay F + strength k'^T v' (hebb) or F <- decay F + strength k'^T (v' - k' F) (delta); a
    read is (unit(q P_K) F) P_O. Slow weights: the strength, the decay if learned, the projections
    if learned.

    State: ``fast_weights`` [D, V], ``count``, and ``normaliser`` [D] with elu1 features.

    Args:
        key_dim: D.
        value_dim: V.
        rule: How an event is written.
        proj: ``identity`` has no projections, ``orthonormal`` fixes random ones with
            P_O = P_V^T, ``learned`` starts at the identity.
        feature: ``elu1`` maps projected keys to elu + 1 and divides by the sum of matches
            (linear attention; Katharopoulos et al. 2020). The strength is a factor of both and
            cancels.
        write_strength: Initial strength.
        learn_decay: Whether the decay is a slow weight; it is one otherwise.
        generator: Source of orthonormal projections.

    Raises:
        InvalidParameter: If elu1 features are combined with the delta rule.
    """

    takes_gates = frozenset({"write", "keep"})
    chunked_scan = True
    key_in: Tensor | None
    value_in: Tensor | None
    value_out: Tensor | None

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        rule: Literal["hebb", "delta"] = "hebb",
        proj: Literal["identity", "orthonormal", "learned"] = "identity",
        feature: Literal["none", "elu1"] = "none",
        write_strength: Annotated[float, Gt(0)] = 1.0,
        learn_decay: bool = False,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if feature == "elu1" and rule == "delta":
            raise InvalidParameter(
                "feature",
                "'elu1' cannot be combined with rule 'delta': its features are longer than one",
                help="use rule 'hebb', or feature 'none'",
            )
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.rule = rule
        self.normalise = feature == "elu1"
        # softplus maps it back; expm1 keeps small strengths exact, and its sign large ones finite
        logit = write_strength + math.log(-math.expm1(-write_strength))
        self.strength_logit = nn.Parameter(torch.tensor(logit))
        self.decay_logit = nn.Parameter(torch.tensor(DECAY_LOGIT)) if learn_decay else None
        self._add_projections(proj, generator)

    def _add_projections(self, proj: str, generator: torch.Generator) -> None:
        key_in: Tensor | None = None
        value_in: Tensor | None = None
        value_out: Tensor | None = None
        if proj == "orthonormal":
            key_in = _orthonormal(self.key_dim, generator)
            value_in = _orthonormal(self.value_dim, generator)
            value_out = value_in.mT.contiguous()
        elif proj == "learned":
            key_in = nn.Parameter(torch.eye(self.key_dim))
            value_in = nn.Parameter(torch.eye(self.value_dim))
            value_out = nn.Parameter(torch.eye(self.value_dim))
        for name, matrix in (("key_in", key_in), ("value_in", value_in), ("value_out", value_out)):
            if isinstance(matrix, nn.Parameter):
                self.register_parameter(name, matrix)
            else:
                self.register_buffer(name, matrix)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return only_size(key_dim * (value_dim + (params.get("feature") == "elu1")), budget)

    @override
    def init_state(self) -> State:
        like = self.strength_logit
        state = {
            "fast_weights": like.new_zeros(self.key_dim, self.value_dim),
            "count": like.new_zeros((), dtype=torch.int64),
        }
        return {**state, "normaliser": like.new_zeros(self.key_dim)} if self.normalise else state

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        weights = recurrence.write(
            joined(state),
            self._address(keys),
            with_ones(state, self._content(values)),
            self._write_rule(),
            self._decay(),
        )
        return split(state, weights, keys.shape[0])

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self._recalled(self._address(queries) @ joined(state))

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
        strength = self.gate_of(gates, "write", softplus(self.strength_logit))
        decay = (gates or {}).get("keep", self._decay())
        needs = {"strength": strength}
        if self.rule == "delta" and decay is not None:
            needs["decay"] = decay
        reads, weights = recurrence.scan(
            joined(state),
            self._address(keys),
            with_ones(state, self._content(values)),
            self._address(queries),
            recurrence.delta_updates if self.rule == "delta" else recurrence.hebb_updates,
            decay,
            rule_gates=needs,
            inclusive=inclusive,
        )
        return self._recalled(reads), split(state, weights, keys.shape[0])

    def _write_rule(self) -> recurrence.WriteRule:
        strength = softplus(self.strength_logit)
        if self.rule == "delta":
            return partial(recurrence.delta_updates, strength=strength, decay=self._decay())
        return partial(recurrence.hebb_updates, strength=strength)

    def _decay(self) -> Tensor | None:
        return None if self.decay_logit is None else self.decay_logit.sigmoid()

    def _address(self, keys: Tensor) -> Tensor:
        """Projected unit keys or queries [N, D], as features."""
        projected = unit(keys if self.key_in is None else keys @ self.key_in)
        if not self.normalise:
            return projected
        features: Tensor = elu(projected) + 1
        return features

    def _content(self, values: Tensor) -> Tensor:
        """Projected values [N, V]."""
        return values if self.value_in is None else values @ self.value_in

    def _recalled(self, reads: Tensor) -> Tensor:
        """Reads of the joined weights, normalised and projected back to values [N, V]."""
        if self.normalise:
            reads = reads[:, : self.value_dim] / (reads[:, self.value_dim :] + NORMALISER_FLOOR)
        return reads if self.value_out is None else reads @ self.value_out


def _orthonormal(dim: int, generator: torch.Generator) -> Tensor:
    """A random orthonormal matrix [dim, dim]."""
    drawn: Tensor = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    return drawn.contiguous()
