"""Episodes whose keys are matrices: a cheap learned metric on them, or a read row by row."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import State
from memories.episodic.episodic_linear import EpisodicLinear
from memories.episodic.kronecker import KroneckerMetric, checked_rows
from memories.features import unit


@memory("episodic-matrix", family="episodic", source="Ramsauer et al. 2020")
class EpisodicMatrix(EpisodicLinear):
    """Recalls like `episodic-linear`, with keys [D] seen as matrices [rows, D / rows].

    ``kron`` compares cos(A Q B, A K_j B) with slow A and B: untrained it is `episodic-linear`,
    trained it can pass over rows and columns that carry noise. ``rowwise`` reads each row by
    itself: row a weights the slots by beta cos(Q_a, K_ja) and the cues, and recalls its own share
    of the value, so that rows of different events combine into a value never stored whole. The
    shares are consecutive parts of the value of as equal a width as can be; where `rows` divides
    V they are the rows of a matrix.

    State: as `episodic-linear`; rowwise keys have rows at unit length. Slow weights: as there,
    with kron also A and B.

    Args:
        rows: Rows of a key; None takes the largest divisor of D not above its root.
        address: How keys and queries are compared.

    Raises:
        InvalidParameter: If `rows` does not divide D.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        rows: Annotated[int, Ge(1)] | None = None,
        address: Literal["kron", "rowwise"] = "kron",
        **options: Any,
    ) -> None:
        super().__init__(key_dim, value_dim, context_dim=context_dim, **options)
        self.rows = checked_rows(rows, key_dim)
        self.metric = (
            KroneckerMetric(self.rows, key_dim // self.rows) if address == "kron" else None
        )

    @override
    def _address(self, keys: Tensor) -> Tensor:
        keys = super()._address(keys)
        if self.metric is not None:
            return unit(self.metric(keys))
        return unit(self._in_rows(keys)).flatten(-2)

    @override
    def _similarity(self, state: State, queries: Tensor) -> Tensor:
        """Cosines [Q, M] of queries and keys; rowwise the mean over the rows."""
        if self.metric is not None:
            return super()._similarity(state, queries)
        return self._row_similarity(state, queries).mean(1)

    @override
    def _attend(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Values [Q, V] and weights [Q, M]; rowwise the mean of the rows' weights."""
        if self.metric is not None:
            return super()._attend(state, queries, times, contexts)
        weights = self._row_weights(state, queries, times, contexts)
        shares = self._in_use(state, "values").tensor_split(self.rows, dim=-1)
        parts = [weights[:, row] @ share for row, share in enumerate(shares)]
        return torch.cat(parts, dim=-1), weights.mean(1)

    def _row_weights(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> Tensor:
        """Weights [Q, rows, M] of the slots, for each row of the value its own."""
        cues = self._cues(state, times, contexts)[:, None]
        logits = self.log_beta.exp() * self._row_similarity(state, queries) + cues
        return self._chosen(logits, self.valid(state), self._newest_first(state))

    def _row_similarity(self, state: State, queries: Tensor) -> Tensor:
        """Cosines [Q, rows, M] of the rows of queries and keys."""
        keys = self._in_rows(self._in_use(state, "keys"))
        probes = self._in_rows(self._address(queries))
        return (probes.movedim(0, 1) @ keys.permute(1, 2, 0)).movedim(0, 1)

    def _in_rows(self, keys: Tensor) -> Tensor:
        """Vectors [N, D] as matrices [N, rows, D / rows]."""
        return keys.reshape(-1, self.rows, self.key_dim // self.rows)
