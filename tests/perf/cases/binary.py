"""Memories of bits."""

from __future__ import annotations

from functools import partial

from tests.perf.throughput import Throughput
from tests.reference import hopfield

CASES = [
    Throughput(
        "hopfield",
        write=50,
        read=500,
        at_once=10,
        params={"steps": 2},
        reference=lambda m: partial(hopfield.recall, steps=m.steps),
        queries=8,
    ),
]
