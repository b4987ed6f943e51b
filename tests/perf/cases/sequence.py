"""Sequence models with a memory beside them."""

from __future__ import annotations

from tests.perf.throughput import Throughput

TWO_HEADS = {"heads": 2}  # as the loops' cases have them

CASES = [
    Throughput("xf-episodic", write=1, read=1, params=TWO_HEADS, events=64, queries=16),
    Throughput("xf-multiscale", write=1, read=1, params=TWO_HEADS, events=64, queries=16),
]
