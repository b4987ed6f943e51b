"""What `tests/perf` measures: told here, since its tests are not in the default set."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench import registry
from memories.base import protocol_of
from tests.perf.cases import CASES
from tests.perf.throughput import Throughput

MEASURED = {case.name for case in CASES}
REGISTERED = {
    entry.name: entry
    for entry in registry.entries("memory")
    if protocol_of(entry.cls) == "associative" and not entry.plugin
}


def test_every_associative_memory_but_the_floors_has_a_throughput_benchmark() -> None:
    """A new memory gets an entry in `tests/perf/cases/`."""
    expected = {name for name, entry in REGISTERED.items() if entry.family != "floors"}
    assert sorted(expected - MEASURED) == []


def test_benchmarks_are_of_registered_memories_and_have_names_of_their_own() -> None:
    assert sorted(MEASURED - set(REGISTERED)) == []
    names = [case.id for case in CASES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_timed_beside_a_memory_recalls_the_same(case: Throughput) -> None:
    # float64, for six events leave the least squares of `ridge-assoc` to its ridge of 1e-4
    assert replace(case, events=6, queries=3).race(torch.float64).same()
