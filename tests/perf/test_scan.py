"""Writing and reading interleaved: chunks against events and queries in turn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.memories.case import build, unit_rows
from tests.perf.throughput import DIM, fastest

pytestmark = pytest.mark.perf

N = 1024


@torch.no_grad()
@pytest.mark.parametrize("name", ["delta", "gated-delta", "linear-assoc", "ring-attention"])
def test_a_scan_beats_writing_and_reading_in_turn(benchmark: Any, name: str) -> None:
    sized = {"capacity": N} if name == "ring-attention" else {}
    memory = build(name, key_dim=DIM, value_dim=DIM, **sized)
    keys, values = unit_rows(1, N, DIM), unit_rows(2, N, DIM)
    start = memory.init_state()

    def in_turn() -> Tensor:
        reads, _ = super(type(memory), memory).scan(start, keys, values, keys)
        return reads

    def scan() -> Tensor:
        return memory.scan(start, keys, values, keys)[0]

    torch.testing.assert_close(scan(), in_turn(), rtol=0, atol=1e-4)
    chunked, looped = fastest(scan, in_turn)
    benchmark.extra_info["speedup"] = looped / chunked
    benchmark(scan)
    assert looped / chunked >= 8
