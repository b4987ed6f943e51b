"""How fast every memory writes and reads, one lane, D = V = 64."""

from __future__ import annotations

from typing import Any

import pytest

from tests.perf.cases import CASES
from tests.perf.throughput import Throughput, fastest

pytestmark = pytest.mark.perf

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@by_case
def test_writing_and_reading_against_the_loop_over_events(benchmark: Any, case: Throughput) -> None:
    """The ratios are stored beside what the memory itself manages in a second."""
    race = case.race()
    assert race.same()
    write, read = race.over_the_loop()
    writing, reading = fastest(race.write, race.read)
    benchmark.extra_info["write_ratio"] = write
    benchmark.extra_info["read_ratio"] = read
    benchmark.extra_info["events_per_second"] = case.events / writing
    benchmark.extra_info["queries_per_second"] = case.queries / reading
    benchmark.pedantic(race.write, rounds=5)
    assert write >= case.write
    assert read >= case.read


@by_case
def test_many_at_once_against_a_call_each(benchmark: Any, case: Throughput) -> None:
    """What a chunked or vectorised form saves over calls with one event or one query."""
    race = case.race()
    write, read = race.over_single_calls()
    benchmark.extra_info["write_ratio_to_single_writes"] = write
    benchmark.extra_info["read_ratio_to_single_reads"] = read
    benchmark.pedantic(race.read, rounds=5)
    assert write >= case.at_once
    assert read >= 1.5
