"""Networks: trained at test time, or recurrent."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    Throughput("titans", write=1, read=10, events=64, queries=1024),
    Throughput("titans", write=4, read=10, at_once=4, params={"chunk": 16}, queries=1024),
    Throughput("ttt-linear", write=12, read=20, at_once=4, queries=1024),
    Throughput("lstm-writer", write=1, read=2, queries=1024),
    Throughput("gru-writer", write=1, read=2, queries=1024),
]
