"""Memories that add everything up in few places."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    Throughput("hrr", write=2, read=3, at_once=3),
    Throughput("sdm", write=1, read=1, at_once=1.5, queries=1024),
]
