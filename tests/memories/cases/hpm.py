"""Hierarchical primitive memory, as far as it is a key-value memory."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.memories.case import MAX_EVENTS, Case, Recall
from tests.memories.trained import Trained
from tests.reference import hpm


def _events(m: Any) -> Recall:
    return partial(
        hpm.recall,
        capacity=m.capacity,
        count=m.retrieval_k,
        temperature=float(m.temperature),
        scale=m.dyn_scale,
    )


def _routed(*sizes: int) -> Any:
    return partial(hpm.recall_trained, sizes=sizes)


CASES = [
    Case("hpm-kv", {}, _events),
    Case("hpm-kv", {"capacity": 7, "temperature": 0.25}, _events),
    Case("hpm-kv", {"capacity": 9, "retrieval_k": 20, "dyn_scale": "sqrt-d"}, _events),
    Case("hpm-kv-trained", {"temperature": 0.25}, _routed(8, 8)),
    Trained("hpm-kv-trained", {"capacity": 7, "temperature": 0.25, "top_k": 3}, _routed(8, 8)),
    Trained(
        "hpm-kv-trained",
        {
            "capacity": MAX_EVENTS,
            "temperature": 0.25,
            "top_k": 1,
            "primitives_per_bank": 7,
            "levels_per_bank": 3,
        },
        _routed(2, 2, 3),
    ),
]
