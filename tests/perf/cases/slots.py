"""Memories of slots."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.memories.case import Recall
from tests.perf.throughput import Throughput
from tests.reference import dense_am, dnd, exact_knn, ring_attention

SLOTS = 128


def _dnd(m: Any) -> Recall:
    return partial(dnd.recall, capacity=m.capacity, top_k=m.top_k, prepare=lambda x: x)


CASES = [
    Throughput(
        "exact-knn", write=1, read=1, reference=lambda _: partial(exact_knn.recall, capacity=256)
    ),
    Throughput(
        "ring-attention",
        write=1,
        read=1,
        params={"capacity": 256},
        reference=lambda _: partial(ring_attention.recall, capacity=256),
    ),
    Throughput("dnd", write=1, read=1, params={"capacity": SLOTS}, reference=_dnd, queries=16),
    Throughput(
        "dense-am",
        write=1,
        read=1,
        params={"capacity": SLOTS},
        reference=lambda _: partial(dense_am.recall, capacity=SLOTS),
        events=16,
        queries=4,
    ),
]
