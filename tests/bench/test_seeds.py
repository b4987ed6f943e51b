"""Generators: pinned, disjoint, shared where they must be, and never the global ones."""

from __future__ import annotations

import itertools
import random
import zlib
from typing import Any

import numpy as np
import pytest
import torch

from bench import seeds
from bench.running.cache import Cache
from bench.running.workbench import Workbench
from bench.seeds import INIT, META, TEST, VALIDATION
from tests.tasks.brief import train_briefly
from tests.tasks.cells import cell, run

PINNED = {META: 3_055_950_001, VALIDATION: 155_480_279, TEST: 1_240_299_383}
PINNED_INIT = 1_514_685_133


def test_the_first_numbers_of_each_stream_never_change():
    """Pinned: whoever changes them changes every published number."""
    drawn = {
        stream: int(seeds.numpy_generator(0, stream, "capacity").integers(2**32))
        for stream in (META, VALIDATION, TEST)
    }
    assert drawn == PINNED
    first = torch.randint(2**32, (), generator=seeds.torch_generator(0, INIT))
    assert int(first) == PINNED_INIT


def test_a_generator_is_numpys_for_the_documented_seed_sequence():
    word = zlib.crc32(b"capacity")
    expected = np.random.SeedSequence(7, spawn_key=(TEST, word, zlib.crc32(b"episode"), 3))
    ours = seeds.numpy_generator(7, TEST, "capacity", "episode", 3)
    assert ours.integers(2**62) == np.random.default_rng(expected).integers(2**62)
    torch_seed = int(expected.generate_state(1, np.uint64)[0])
    theirs = torch.Generator().manual_seed(torch_seed)
    mine = seeds.torch_generator(7, TEST, "capacity", "episode", 3)
    assert torch.equal(torch.rand(4, generator=mine), torch.rand(4, generator=theirs))


def test_no_two_uses_share_a_stream():
    """Seeds, streams, tasks and episodes: 4 x 4 x 3 x 3 uses, 64 bits each."""
    keys = [
        (seed, stream, *rest)
        for seed, stream in itertools.product(range(4), (INIT, META, VALIDATION, TEST))
        for rest in [(), *itertools.product(("capacity", "interference"), ("episode",), range(3))]
    ]
    words = {int(seeds.sequence(*key).generate_state(1, np.uint64)[0]) for key in keys}
    assert len(words) == len(keys)


def test_initialisation_knows_neither_the_memory_nor_the_task():
    drawn = []
    for memory, task in itertools.product(
        ("linear-assoc", "ar-fast-weights"), ("capacity", "interference")
    ):
        bench = Workbench(cell(memory, task), [5])
        drawn.append(torch.rand(3, generator=bench.init_rng(5)))
    assert all(torch.equal(first, drawn[0]) for first in drawn)
    expected = torch.rand(3, generator=seeds.torch_generator(5, INIT))
    assert torch.equal(drawn[0], expected)


def test_the_data_of_a_task_know_the_task_and_the_split_but_not_the_memory():
    def drawn(memory: str, task: str, split: Any) -> float:
        return float(Workbench(cell(memory, task), [0]).rng(0, split, "episode", 1).random())

    reference = drawn("zero", "capacity", "test")
    assert drawn("delta", "capacity", "test") == reference
    assert drawn("zero", "interference", "test") != reference
    assert drawn("zero", "capacity", "validation") != reference


@pytest.mark.parametrize(
    ("memory", "task", "task_params"),
    [
        ("ar-fast-weights", "capacity", {"loads": [4, 8], "episodes": 2}),
        ("delta", "interference", {"episodes": 2}),
        (
            "ogd",
            "online-tsf",
            {
                "dataset": "synth-drift",
                "lookback": 12,
                "horizon": 3,
                "options": {"schedule": "abrupt", "rows": 240, "channels": 2, "regimes": 2},
            },
        ),
    ],
)
def test_a_whole_cell_leaves_the_global_generators_alone(
    monkeypatch, tmp_path, memory, task, task_params
):
    train_briefly(monkeypatch, 1)
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    run(cell(memory, task, task_params), [0, 1], cache=Cache(tmp_path))
    assert random.getstate() == before[0]
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(after, before[1], strict=True))
    assert torch.equal(torch.get_rng_state(), before[2])
