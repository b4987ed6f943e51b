"""Memories that add everything up in few places."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    Throughput("hrr", write=1, read=1, events=1024),
    Throughput("sdm", write=1, read=1, events=1024),
]
