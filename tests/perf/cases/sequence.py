"""Sequence models with a memory beside them."""

from __future__ import annotations

from tests.perf.throughput import Throughput

TWO_HEADS = {"heads": 2}  # as the cases of their loops have them

CASES = [
    Throughput(name, write=15, read=20, at_once=4, params=TWO_HEADS, events=64, queries=32)
    for name in ("xf-episodic", "xf-multiscale")
]
