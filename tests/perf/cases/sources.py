"""The published sources, reproduced."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    *(
        Throughput(
            "episodic-linear-src", write=1, read=1, params={"preset": preset}, events=24, queries=8
        )
        for preset in ("v1", "v2", "v3", "v4", "v5")
    ),
    Throughput("episodic-matrix-src", write=1, read=1, events=24, queries=8),
    Throughput("ar-context-drift-src", write=1, read=1),
    Throughput("ar-gated-src", write=1, read=1),
    Throughput("ar-meta-src", write=1, read=1),
    Throughput("ar-rag-src", write=1, read=1),
    Throughput("ar-graph-src", write=1, read=1, events=24, queries=8),
]
