"""Matrix memories."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    Throughput("linear-assoc", write=1, read=1, events=1024),
    Throughput("delta", write=1, read=1, events=1024),
    Throughput("gated-delta", write=1, read=1, events=1024),
    Throughput("ridge-assoc", write=1, read=1, events=1024),
]
