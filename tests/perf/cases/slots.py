"""Memories of slots."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.memories.case import Recall
from tests.memories.cases.slots import V1
from tests.perf.throughput import Throughput
from tests.reference import dense_am, dnd, error_memory_bank, exact_knn, ring_attention

FULL, HALF = {"capacity": 256}, {"capacity": 128}


def _knn(m: Any) -> Recall:
    return partial(exact_knn.recall, capacity=m.capacity)


def _ring(m: Any) -> Recall:
    return partial(ring_attention.recall, capacity=m.capacity)


def _dnd(m: Any) -> Recall:
    return partial(dnd.recall, capacity=m.capacity, top_k=m.top_k, prepare=lambda x: x)


def _dense(m: Any) -> Recall:
    return partial(dense_am.recall, capacity=m.capacity)


def _bank(m: Any) -> Recall:
    return partial(error_memory_bank.recall, capacity=m.capacity)


def _ranked(m: Any) -> Recall:
    return partial(error_memory_bank.recall, **{**V1, "min_entries": 1}, capacity=m.capacity)


CASES = [
    Throughput("exact-knn", write=5, read=30, at_once=20, params=FULL, reference=_knn),
    Throughput("ring-attention", write=7, read=200, at_once=15, params=FULL, reference=_ring),
    Throughput("dnd", write=3, read=20, at_once=1, params=HALF, reference=_dnd, queries=32),
    Throughput(
        "dense-am",
        write=3,
        read=40,
        at_once=3,
        params=HALF,
        reference=_dense,
        events=16,
        queries=4,
    ),
    Throughput("error-memory-bank", write=10, read=200, at_once=40, params=FULL, reference=_bank),
    Throughput(
        "error-memory-bank",
        write=2,
        read=30,
        params={"preset": "v1", "capacity": 128, "min_entries": 1},
        reference=_ranked,
    ),
]
