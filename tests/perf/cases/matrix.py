"""Matrix memories: their chunks must pay."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.memories.case import Recall, feature_reference
from tests.perf.throughput import Throughput
from tests.reference import gated_delta

MANY = {"events": 1024, "queries": 1024}


def _gated(m: Any) -> Recall:
    return partial(gated_delta.recall, phi=feature_reference(m), decay=float(m.decay))


CASES = [
    Throughput("linear-assoc", write=25, read=10, at_once=10, **MANY),
    Throughput("delta", write=15, read=10, at_once=8, **MANY),
    Throughput("gated-delta", write=10, read=10, at_once=8, reference=_gated, **MANY),
    Throughput("ridge-assoc", write=25, read=10, at_once=25, **MANY),
]
