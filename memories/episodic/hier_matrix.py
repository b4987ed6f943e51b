"""Episodes under a tree of segments, with keys seen as matrices."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.episodic.hier_linear import HierLinear
from memories.episodic.kronecker import KroneckerMetric, checked_rows
from memories.features import unit


@memory("hier-matrix", family="episodic", source="Kurby & Zacks 2008; Ramsauer et al. 2020")
class HierMatrix(HierLinear):
    """Recalls like `hier-linear`, comparing A Q B and A K B on each level with its own A and B.

    Keys [D] are seen as matrices [rows, D / rows]. All A and B are slow weights that start at the
    identity, so that untrained it is `hier-linear`.

    State: as `hier-linear`. Slow weights: as there, and A and B of every level.

    Args:
        rows: Rows of a key; None takes the largest divisor of D not above its root.

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
        **options: Any,
    ) -> None:
        super().__init__(key_dim, value_dim, context_dim=context_dim, **options)
        self.rows = checked_rows(rows, key_dim)
        columns = key_dim // self.rows
        self.metrics = nn.ModuleList(
            KroneckerMetric(self.rows, columns) for _ in range(self.tree.levels + 1)
        )

    @override
    def _address(self, keys: Tensor) -> Tensor:
        return self._segment_address(keys, 0)

    @override
    def _segment_address(self, keys: Tensor, level: int) -> Tensor:
        return unit(self.metrics[level](self._projected(keys)))
