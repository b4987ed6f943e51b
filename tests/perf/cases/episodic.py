"""The episodic family: full stores, and few queries, for the loops compare them slot by slot."""

from __future__ import annotations

from tests.memories.cases.episodic import rowwise
from tests.perf.throughput import Throughput

FULL = {"capacity": 256}
BY_ROWS = {**FULL, "address": "rowwise"}

CASES = [
    Throughput("episodic-linear", write=12, read=100, at_once=25, params=FULL, queries=8),
    Throughput("episodic-matrix", write=12, read=100, at_once=20, params=FULL, queries=8),
    Throughput(
        "episodic-matrix",
        write=25,
        read=100,
        at_once=25,
        params=BY_ROWS,
        reference=rowwise,
        queries=8,
    ),
    Throughput("hier-linear", write=25, read=100, at_once=30, params=FULL, queries=4),
    Throughput("hier-matrix", write=25, read=100, at_once=30, params=FULL, queries=4),
    Throughput("episodic-moe", write=20, read=100, at_once=30, params=FULL, queries=4),
]
