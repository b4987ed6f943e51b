"""The AR family."""

from __future__ import annotations

from functools import partial

from tests.perf.throughput import Throughput
from tests.reference import ar_rag

FAST = {"target": "fast-weights"}

CASES = [
    Throughput("ar-fast-weights", write=10, read=10, at_once=10),
    Throughput("ar-fast-weights", write=8, read=10, at_once=4, params={"rule": "delta"}),
    Throughput("ar-fast-weights-src", write=3, read=100, at_once=8, queries=64),
    Throughput(
        "ar-rag",
        write=5,
        read=15,
        at_once=20,
        params={"capacity": 256},
        reference=lambda _: partial(ar_rag.recall, capacity=256),
    ),
    Throughput("ar-meta", write=1, read=15, events=64, queries=1024),
    Throughput("ar-graph", write=4, read=1000, events=64, queries=8),
    Throughput("ar-gated", write=2, read=100, events=64, queries=16),
    Throughput("ar-gated", write=1, read=25, params=FAST, events=64, queries=1024),
    Throughput("ar-context-drift", write=1, read=50, at_once=1, events=64, queries=16),
]
