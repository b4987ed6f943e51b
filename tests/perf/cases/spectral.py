"""Spectral key-value memories: sums over all events at once, one eigenproblem a read."""

from __future__ import annotations

from tests.perf.throughput import Throughput

MANY = {"events": 1024, "queries": 1024}
ROWS = {"components": 32}

CASES = [
    Throughput("spectral-kv", write=8, read=12, at_once=18, **MANY),
    Throughput("spectral-kv-joint", write=3, read=4, at_once=9, **MANY),
    Throughput("spectral-kv-strict", write=2, read=20, at_once=45, params=ROWS, queries=1024),
]
