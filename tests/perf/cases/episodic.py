"""The episodic family: full stores, and few queries, for the loops compare them slot by slot."""

from __future__ import annotations

from tests.memories.cases.episodic import rowwise
from tests.perf.throughput import Throughput

FULL = {"capacity": 256}

CASES = [
    Throughput("episodic-linear", write=1, read=1, params=FULL, queries=4),
    Throughput("episodic-matrix", write=1, read=1, params=FULL, queries=4),
    Throughput(
        "episodic-matrix",
        write=1,
        read=1,
        params={**FULL, "address": "rowwise"},
        reference=rowwise,
        queries=4,
    ),
    Throughput("hier-linear", write=1, read=1, params=FULL, queries=4),
    Throughput("hier-matrix", write=1, read=1, params=FULL, queries=4),
    Throughput("episodic-moe", write=1, read=1, params=FULL, queries=4),
]
