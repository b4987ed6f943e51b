"""The AR family."""

from __future__ import annotations

from functools import partial

from tests.perf.throughput import Throughput
from tests.reference import ar_rag

CASES = [
    Throughput("ar-fast-weights", write=1, read=1),
    Throughput("ar-fast-weights", write=1, read=1, params={"rule": "delta"}),
    Throughput("ar-fast-weights-src", write=1, read=1),
    Throughput(
        "ar-rag",
        write=1,
        read=1,
        params={"capacity": 256},
        reference=lambda _: partial(ar_rag.recall, capacity=256),
    ),
    Throughput("ar-meta", write=1, read=1),
    Throughput("ar-graph", write=1, read=1, events=64),
    Throughput("ar-gated", write=1, read=1, events=64),
    Throughput("ar-gated", write=1, read=1, params={"target": "fast-weights"}, events=64),
    Throughput("ar-context-drift", write=1, read=1, events=64, queries=16),
]
