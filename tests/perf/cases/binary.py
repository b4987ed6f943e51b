"""Memories of bits."""

from __future__ import annotations

from functools import partial

from tests.perf.throughput import Throughput
from tests.reference import hopfield

CASES = [
    Throughput(
        "hopfield",
        write=1,
        read=1,
        params={"steps": 2},
        reference=lambda m: partial(hopfield.recall, steps=m.steps),
        queries=4,
    ),
]
