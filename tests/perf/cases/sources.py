"""The published sources, reproduced: most of them go event by event, as they were published."""

from __future__ import annotations

from tests.perf.throughput import Throughput

SLOTS = "episodic-linear-src"

CASES = [
    Throughput(SLOTS, write=3, read=2, at_once=4, params={"preset": "v1"}, events=24),
    Throughput(SLOTS, write=1, read=2, params={"preset": "v2"}, events=24),
    Throughput(SLOTS, write=1, read=2, params={"preset": "v3"}, events=24),
    Throughput(SLOTS, write=1, read=2, params={"preset": "v4"}, events=24),
    Throughput(SLOTS, write=2, read=2, at_once=6, params={"preset": "v5"}, events=24),
    Throughput("episodic-matrix-src", write=1, read=2, events=24),
    # it stores nothing: its loop does not look at the events at all
    Throughput("ar-context-drift-src", write=0, read=3, at_once=8, queries=1024),
    Throughput("ar-gated-src", write=1.5, read=100, at_once=15, queries=32),
    Throughput("ar-meta-src", write=1, read=2, at_once=1, events=64, queries=2048),
    Throughput("ar-rag-src", write=5, read=100, at_once=20, queries=16),
    Throughput("ar-graph-src", write=15, read=30, events=24, queries=64),
]
