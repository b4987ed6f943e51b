"""Networks: trained at test time, or recurrent."""

from __future__ import annotations

from tests.perf.throughput import Throughput

CASES = [
    Throughput("titans", write=1, read=1),
    Throughput("titans", write=1, read=1, params={"chunk": 16}),
    Throughput("ttt-linear", write=1, read=1),
    Throughput("lstm-writer", write=1, read=1),
    Throughput("gru-writer", write=1, read=1),
]
