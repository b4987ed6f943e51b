"""The two sizes of H-Mem: the published one, and one for short streams and small machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SizeName: TypeAlias = Literal["full", "small"]


@dataclass(frozen=True)
class Size:
    """Widths and capacities that go together.

    Attributes:
        rank: Rank of the low-rank weights.
        alpha: Scale of the update times the rank: the scale itself is 2 in both.
        memory_dim: Width m of the memory vector.
        encoding_dim: Width of the encoding of the newest rows.
        bottleneck: Inner width b of the hypernetwork.
        feature_dim: Width d of the bank's keys and of the correction's networks.
        capacity: Entries N of the bank.
    """

    rank: int
    alpha: float
    memory_dim: int
    encoding_dim: int
    bottleneck: int
    feature_dim: int
    capacity: int


SIZES: dict[SizeName, Size] = {
    "full": Size(8, 16.0, 256, 128, 32, 128, 1000),
    "small": Size(2, 4.0, 32, 16, 8, 16, 128),
}
