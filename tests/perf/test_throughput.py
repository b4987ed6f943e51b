"""How fast every memory writes and reads, one lane, D = V = 64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.perf.cases import CASES
from tests.perf.throughput import Throughput, fastest

pytestmark = pytest.mark.perf

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@torch.no_grad()
@by_case
def test_writing_and_reading_against_the_loop_over_events(benchmark: Any, case: Throughput) -> None:
    """Both sides recall the same; the ratios are stored beside the times of the memory alone."""
    race = case.race()
    # a bit whose field is zero up to rounding may fall either way
    same = (race.read() - race.looped()).abs() <= 1e-4
    assert same.float().mean() >= 0.99
    write, read = race.over_the_loop()
    writing, reading = fastest(race.write, race.read)
    benchmark.extra_info["write_ratio"] = write
    benchmark.extra_info["read_ratio"] = read
    benchmark.extra_info["events_per_second"] = case.events / writing
    benchmark.extra_info["queries_per_second"] = case.queries / reading
    benchmark.pedantic(race.write, rounds=5)
    assert write >= case.write
    assert read >= case.read


@torch.no_grad()
@by_case
def test_many_at_once_against_a_call_each(benchmark: Any, case: Throughput) -> None:
    """What a chunked or vectorised form saves over calls with one event or one query."""
    race = case.race()
    write, read = race.over_single_calls()
    benchmark.extra_info["write_ratio_to_single_writes"] = write
    benchmark.extra_info["read_ratio_to_single_reads"] = read
    benchmark.pedantic(race.read, rounds=5)
    assert write >= case.at_once
    assert read >= 2
