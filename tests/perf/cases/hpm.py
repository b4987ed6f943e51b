"""Hierarchical primitive memory, as far as it is a key-value memory."""

from __future__ import annotations

from tests.perf.throughput import Throughput

FULL = {"capacity": 256}

CASES = [
    Throughput("hpm-kv", write=1.5, read=150, at_once=30, params=FULL, queries=64),
    Throughput("hpm-kv-trained", write=1.5, read=40, at_once=40, params=FULL, queries=16),
]
