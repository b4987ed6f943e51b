"""One bank as several: a time of the season has slots of its own (H-Mem, 2025)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

BucketMode = Literal["daypart", "mod"]


def bucket_at(step: Tensor, buckets: int, period: int, mode: BucketMode) -> Tensor:
    """The bucket of a step, int64 scalar.

    Args:
        step: Steps of the stream, int64 scalar.
        buckets: B.
        period: Rows per season.
        mode: ``daypart`` cuts a season into B runs of rows; ``mod`` takes phase mod B, as
            published: it deals neighbouring rows to different buckets.
    """
    phase = step % period
    return phase * buckets // period if mode == "daypart" else phase % buckets


def slots_of(bucket: Tensor, buckets: int, capacity: int) -> Tensor:
    """Slots of a bucket, bool [B N]: bucket b owns N in a row, b N to (b + 1) N - 1.

    Args:
        bucket: int64 scalar.
        buckets: B.
        capacity: N, slots of each.
    """
    return torch.arange(buckets * capacity, device=bucket.device) // capacity == bucket
