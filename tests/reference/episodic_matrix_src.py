"""The published memory of matrix slots, with the Frobenius product taken on matrices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.reference import episodic_linear_src


def recall(
    keys: Tensor, values: Tensor, queries: Tensor, *, initial: dict[str, Tensor], **settings: Any
) -> Tensor:
    """The second version on keys [M, rows, columns] with scores tr(Q^T K_j)."""

    def similarity(query: Tensor, slots: Tensor) -> Tensor:
        matrix = query.reshape(slots.shape[1:])
        return torch.stack([(matrix.T @ slot).trace() for slot in slots])

    return episodic_linear_src.recall(
        keys, values, queries, initial=initial, similarity=similarity, **settings
    )
